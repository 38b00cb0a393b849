"""Names of other libraries: those that mean what is here are taken; for the others, where to look.

An alias is a name that scikit-learn, Keras or another library has for the same function, up to a constant factor
(docs/api.md says which). What means something else (``nll`` takes log-probabilities in PyTorch), or is not here, has a
sentence instead, which the error tells.
"""

from __future__ import annotations

#: For each kind of name: what others call it, and what it is called here.
ALIASES: dict[str, dict[str, str]] = {
    "activation": {
        "linear": "identity",  # Keras
        "logistic": "sigmoid",  # scikit-learn
        "swish": "silu",  # Keras
        "exp": "exponential",
        "gelu_new": "gelu_tanh",  # Transformers
        "gelu_pytorch_tanh": "gelu_tanh",  # Transformers
    },
    "loss": {
        "mean_squared_error": "mse",  # Keras
        "squared_error": "mse",  # scikit-learn
        "MSE": "mse",  # Keras
        "mean_absolute_error": "mae",  # Keras
        "absolute_error": "mae",  # scikit-learn
        "MAE": "mae",  # Keras
        "pinball": "quantile",  # scikit-learn's mean_pinball_loss
        "binary_crossentropy": "binary_cross_entropy",  # Keras
        "bce": "binary_cross_entropy",  # Keras
        "BCE": "binary_cross_entropy",  # Keras
        "categorical_crossentropy": "cross_entropy",  # Keras
        "sparse_categorical_crossentropy": "cross_entropy",  # Keras
        "log_loss": "cross_entropy",  # scikit-learn
        "logcosh": "log_cosh",  # Keras
        "gamma": "gamma_deviance",  # scikit-learn
        "tweedie": "tweedie_deviance",  # XGBoost
        "kld": "kl_divergence",  # Keras
        "kullback_leibler_divergence": "kl_divergence",  # Keras
        "categorical_focal_crossentropy": "focal",  # Keras
        "binary_focal_crossentropy": "binary_focal",  # Keras
    },
    "optimizer": {
        "SGD": "sgd",  # Keras
        "RMSprop": "rmsprop",  # Keras
        "Adam": "adam",  # Keras
        "AdamW": "adamw",  # Keras
        "Adagrad": "adagrad",  # Keras
        "Nadam": "nadam",  # Keras
        "NAdam": "nadam",  # PyTorch
        "Lion": "lion",  # Keras
        "AdamWScheduleFree": "schedule_free_adamw",  # its authors
        "LBFGS": "lbfgs",  # PyTorch
        "L-BFGS-B": "lbfgs",  # SciPy; there are no bounds
        "lm": "levenberg_marquardt",  # SciPy
        "trainlm": "levenberg_marquardt",  # MATLAB
        "trust-ncg": "newton_cg",  # SciPy
    },
    "initializer": {
        "xavier_uniform": "glorot_uniform",  # PyTorch
        "xavier_normal": "glorot_normal",  # PyTorch
        "kaiming_uniform": "he_uniform",  # PyTorch
        "kaiming_normal": "he_normal",  # PyTorch
        "random_uniform": "uniform",  # Keras
        "random_normal": "normal",  # Keras
        "he+5": "he_plus",  # pytabkit
    },
    "metric": {
        "acc": "accuracy",  # Keras
        "auc": "roc_auc",  # Keras
        "f1_score": "f1",  # Keras, scikit-learn
        "r2_score": "r2",  # Keras, scikit-learn
        "brier_score_loss": "brier",  # scikit-learn
        "top_k_accuracy": "top_k",  # scikit-learn
        "MSE": "mse",  # Keras
        "MAE": "mae",  # Keras
    },
}

_SIGMOID = "with output activation 'sigmoid', or 'identity' for logits, it is 'binary_cross_entropy'"
_LOGITS = "with output activation 'softmax', or 'identity' for logits, it is 'cross_entropy'"
_MOMENTUM = "write SGD(momentum=0.9)"
_ADAPTIVE = "of the adaptive ones, 'adam' is the nearest here"
_FUNCTION = "write a function f(y_true, y_pred)"
_FOLLOWS = "'accuracy' is that of the loss: of the largest output, or of each output's side of 1/2"

#: For each kind of name, as `squeezed`: what is not here by that name, and what to take instead.
UNLIKE: dict[str, dict[str, str]] = {
    "activation": {
        "none": "a layer without one has 'identity'",
        "celu": "with its alpha of 1 it is 'elu'",
        "logsoftmax": "'softmax' with loss 'cross_entropy' is computed from the logits, as log_softmax with nll is",
        "relu6": "unbounded, it is 'relu'",
        "hardtanh": "the smooth one is 'tanh'",
        "hardsigmoid": "the smooth one is 'sigmoid'",
        "hardswish": "the smooth one is 'silu'",
        "hardsilu": "the smooth one is 'silu'",
        "softsign": "'tanh' has its shape",
        "lrelu": "did you mean 'leaky_relu'?",
        "prelu": "with a fixed slope it is Activation('leaky_relu', alpha)",
        "quickgelu": "the nearest are 'gelu' and 'gelu_tanh'",
    },
    "loss": {
        "nll": f"it takes log-probabilities elsewhere; {_LOGITS}",
        "negativeloglikelihood": f"it takes log-probabilities elsewhere; {_LOGITS}",
        "softmaxcrossentropy": _LOGITS,
        "crossentropywithlogits": _LOGITS,
        "softmaxcrossentropywithlogits": _LOGITS,
        "kldiv": "it takes log-probabilities elsewhere; of logits, or with 'softmax', it is 'kl_divergence'",
        "bcewithlogits": _SIGMOID,
        "binarycrossentropywithlogits": _SIGMOID,
        "sigmoidcrossentropy": _SIGMOID,
        "logistic": _SIGMOID,
        "rmse": "'mse' has the same minimum",
        "rootmeansquarederror": "'mse' has the same minimum",
        "l1": "the absolute error is 'mae'; the penalty is Trainer(l1=...)",
        "l2": "the squared error is 'mse'; the penalty is Trainer(l2=...)",
        "smoothl1": "with its beta of 1 it is 'huber'; beyond, Huber(delta=beta) is beta times it",
        "poissonnll": "'poisson' differs from it by a constant; log-rates need output activation 'identity'",
        "poissondeviance": "'poisson' is half of it",
        "meanpoissondeviance": "'poisson' is half of it",
        "categoricalhinge": "'hinge' with one-hot targets tells each class from the others",
        "multimargin": "'hinge' with one-hot targets tells each class from the others",
        "meangammadeviance": "'gamma_deviance' is half of it",
        "meantweediedeviance": "'tweedie_deviance' is half of it",
        "mape": "'mae' of the logarithms of the targets is about relative errors",
        "msle": "it is 'mse' of the logarithms, log1p(y), as targets",
    },
    "optimizer": {
        "momentum": _MOMENTUM,
        "sgdm": _MOMENTUM,
        "nesterov": "write SGD(momentum=0.9, nesterov=True)",
        "nag": "write SGD(momentum=0.9, nesterov=True)",
        "gd": "'sgd' with Trainer(batch_size=None) is gradient descent",
        "amsgrad": "write Adam(amsgrad=True)",
        "radam": _ADAPTIVE,
        "adamax": _ADAPTIVE,
        "adadelta": _ADAPTIVE,
        "adafactor": _ADAPTIVE,
        "bfgs": "with the last pairs in place of a matrix, it is 'lbfgs'",
    },
    "initializer": {
        "one": "write Constant(1.0)",
        "ones": "write Constant(1.0)",
        "glorot": "it is 'glorot_uniform' or 'glorot_normal'",
        "xavier": "it is 'glorot_uniform' or 'glorot_normal'",
        "he": "it is 'he_uniform' or 'he_normal'",
        "kaiming": "it is 'he_uniform' or 'he_normal'",
        "lecununiform": "of the same variance is 'lecun_normal'",
        "truncnormal": "'truncated_normal' ends at two of its standard deviations",
        "identity": "assign the values to model.weights[i]",
    },
    "metric": {
        "binaryaccuracy": _FOLLOWS,
        "categoricalaccuracy": _FOLLOWS,
        "sparsecategoricalaccuracy": _FOLLOWS,
        "top1": _FOLLOWS,
        "prauc": _FUNCTION,
        "averageprecision": _FUNCTION,
        "mcc": _FUNCTION,
        "matthewscorrcoef": _FUNCTION,
        "cohenkappa": _FUNCTION,
        "smape": _FUNCTION,
    },
}


def squeezed(name: str) -> str:
    """A name without what libraries spell in different ways: capitals, separators, and "loss" at its end."""
    bare = "".join(letter for letter in name.lower() if letter.isalnum())
    return bare.removesuffix("loss") or bare
