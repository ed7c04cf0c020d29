"""Names of the hyperparameters in other libraries."""

# In MLPClassifier, skorch and Keras.
_ELSEWHERE = {
    "hidden_layer_sizes": "hidden_units",
    "units": "hidden_units",
    "n_layers": "hidden_layers",
    "num_layers": "hidden_layers",
    "solver": "optimizer",
    "alpha": "weight_decay",
    "learning_rate": "lr",
    "learning_rate_init": "lr",
    "max_iter": "max_epochs",
    "epochs": "max_epochs",
    "n_epochs": "max_epochs",
    "tol": "min_improvement",
    "n_iter_no_change": "patience",
    "nesterovs_momentum": "nesterov",
    "beta_2": "beta2",
    "dropout_rate": "dropout",
    "kernel_initializer": "weight_init",
    "validation_split": "validation_fraction",
    "train_split": "validation_fraction",
}


def name_here(name: str) -> str:
    """Translate a name that another library uses; return other names unchanged."""
    return _ELSEWHERE.get(name, name)
