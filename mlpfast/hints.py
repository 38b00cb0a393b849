"""Arguments and attributes of other libraries, and where the same thing lives here: what errors tell.

Nothing here is accepted; each sentence follows the usual message of a TypeError or an AttributeError.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar

from .names import squeezed

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: In place of a name: more positional arguments than a function takes.
TOO_MANY = "*"


def _for(sentence: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, sentence)


def _of_trainer(*names: str) -> dict[str, str]:
    return {name: f"it is an argument of the trainer: Trainer(model, {name}=...)" for name in names}


_RATE = "the optimizer has it: Trainer(model, optimizer=Adam(learning_rate=...))"
_SEED = "it is called seed"
_SIZES = "the sizes are one sequence, [inputs, units of hidden layer 0, ..., outputs]"
_CPU = "everything runs on the CPU"
_INPUTS = "the model has it: Model(inputs, layers)"
_STOPPING = "it is a callback: Trainer(model, callbacks=[mlpfast.callbacks.EarlyStopping(...)])"
_HELD_OUT = "rows held out are given as validation_data=(X_val, y_val)"
_KERNEL = "it is called kernel_initializer"

FIT_ARGUMENTS: dict[str, str] = {
    **_of_trainer(
        *("batch_size", "callbacks", "l1", "l2", "last_batch", "loss", "metrics", "n_threads", "optimizer", "seed"),
        "shuffle",
    ),
    **_for("it is called epochs", "nb_epoch", "n_epochs", "num_epochs", "max_epochs", "max_iter"),
    **_for("set trainer.learning_rate, or Trainer(model, optimizer=Adam(learning_rate=...))", "lr", "learning_rate"),
    **_for("it is called validation_fraction", "validation_split", "test_size"),
    **_for(_HELD_OUT, "X_val", "y_val", "eval_set", "validation_set", "val_data", "valid_data"),
    **_of_trainer("class_weight"),
    **_for(_STOPPING, "early_stopping", "patience"),
    "initial_epoch": "fit goes on from trainer.epochs by itself",
}

_CLIPS = "clip_norm is for the norm of the whole gradient, clip_value for its elements"

TRAINER_ARGUMENTS: dict[str, str] = {
    **_for(_CLIPS, "clipnorm", "global_clipnorm", "clipvalue", "max_grad_norm", "gradient_clip_val", "grad_clip"),
    **_for(
        "the optimizer has it: Trainer(model, optimizer=Adam(learning_rate=mlpfast.schedules.Cosine(1e-3)))",
        *("schedule", "scheduler", "lr_schedule", "lr_scheduler"),
    ),
    **_for("write last_batch='drop'", "drop_last", "drop_remainder"),
    **_for(_RATE, "lr", "learning_rate", "learning_rate_init", "rate"),
    **_for("the optimizer has it: Trainer(model, optimizer=SGD(momentum=..., nesterov=...))", "momentum", "nesterov"),
    **_for("the optimizer has it: Trainer(model, optimizer=Adam(...))", "beta_1", "beta_2", "betas", "epsilon", "eps"),
    **_for("the optimizer has it: Trainer(model, optimizer=Adam(ema=...))", "ema", "use_ema", "ema_decay", "swa"),
    **_for("the optimizer has it: Trainer(model, optimizer=AdamW(weight_decay=...)); l2 is a penalty", "weight_decay"),
    **_for("the penalty on squared weights is l2", "alpha", "lambda_", "reg", "kernel_regularizer"),
    **{
        name: f"fit has it: trainer.fit(X, y, {name}=...)"
        for name in ("epochs", "max_seconds", "sample_weight", "validation_data", "verbose")
    },
    **_for("fit has it: trainer.fit(X, y, epochs=...)", "max_iter", "max_epochs", "n_epochs", "num_epochs"),
    **_for(f"fit has it: {_HELD_OUT}", "validation_split", "validation_fraction"),
    **_for(_SEED, "random_state"),
    **_for("it is called loss", "criterion", "loss_fn", "objective"),
    **_for("it is called optimizer", "solver", "opt"),
    **_for("it is called n_threads", "n_jobs", "num_threads", "num_workers", "workers"),
    **_for("the model has it: Model(..., dtype=...), mlp(..., dtype=...)", "dtype"),
    **_for("the layers have it: Dense(units, dropout=...), mlp(sizes, dropout=...)", "dropout"),
    **_for(_STOPPING, "early_stopping", "patience", "n_iter_no_change"),
    **_for(_CPU, "device", "accelerator", "gpus"),
}

MLP_ARGUMENTS: dict[str, str] = {
    TOO_MANY: f"{_SIZES}: mlp([5, 8, 3])",
    **_for(
        f"{_SIZES}: mlp([784, 128, 10])",
        *("hidden_layer_sizes", "hidden_sizes", "hidden_units", "hidden_dims", "layer_sizes", "layers", "units"),
        *("inputs", "outputs", "n_inputs", "n_outputs", "n_features", "n_classes", "input_shape", "input_dim"),
        *("input_size", "output_size", "in_features", "out_features", "in_channels", "hidden_channels", "n_hidden"),
    ),
    **_for("it is called activation", "activations", "hidden_activation", "activation_layer", "act"),
    **_for("it is called output_activation", "out_activation", "final_activation", "last_activation"),
    **_for("it is called dropout", "dropout_rate", "rate", "p", "dropouts"),
    **_for(_KERNEL, "init", "initializer", "weight_initializer", "weights_init"),
    **_for(_SEED, "random_state"),
    **_for(_CPU, "device"),
    **_of_trainer("batch_size", "callbacks", "l1", "l2", "loss", "metrics", "n_threads", "optimizer", "shuffle"),
    **_for(_RATE, "lr", "learning_rate", "learning_rate_init"),
    **_for("it is an argument of the trainer: Trainer(model, optimizer=...)", "solver"),
    **_for("it is the trainer's l2: Trainer(model, l2=...)", "alpha"),
    **_for("the trainer's fit has it: trainer.fit(X, y, epochs=...)", "epochs", "max_iter"),
}

MODEL_ARGUMENTS: dict[str, str] = {
    TOO_MANY: "the layers are one sequence: Model(inputs, [layer, ...])",
    **_for("it is called inputs", "input_shape", "input_dim", "input_size", "n_features", "in_features"),
    **_for("the last layer's units are the outputs: Model(inputs, [..., Dense(outputs)])", "outputs", "n_outputs"),
    **_for("mlp(sizes) makes a model from sizes; Model takes layers", "sizes", "hidden_layer_sizes", "units"),
    **_for("the layers have it: Dense(units, activation=...)", "activation"),
    **_for(_SEED, "random_state"),
    **_for(_CPU, "device"),
    **_of_trainer("batch_size", "callbacks", "loss", "metrics", "optimizer"),
}

DENSE_ARGUMENTS: dict[str, str] = {
    **_for(_INPUTS, "input_shape", "input_dim", "in_features", "inputs", "fan_in"),
    **_for("it is called units", "out_features", "output_dim", "size", "n_units", "fan_out"),
    **_for("it is called use_bias", "bias"),
    **_for("it is called dropout", "dropout_rate", "rate", "p"),
    **_for(_KERNEL, "init", "initializer", "weight_initializer", "kernel_init"),
    **_for("it is called bias_initializer", "bias_init"),
    **_for("it is called l2, or l1; for all weights the trainer has it", "kernel_regularizer"),
    **_for("the model has it: Model(inputs, layers, dtype=..., seed=...)", "dtype", "seed", "random_state"),
    **_for("layers have numbers, not names: model.layers[0]", "name"),
}

_CATEGORIES = "it is called categories, and counts from 0"

COLUMNS_ARGUMENTS: dict[str, str] = {
    **_for("it is called encoders, a sequence of (columns, encoder)", "transformers", "columns"),
}

PERIODIC_ARGUMENTS: dict[str, str] = {
    **_for("it is called frequencies", "n_frequencies", "num_frequencies", "plr_hidden_1"),
    **_for("it is called units; the number itself is one more output", "d_embedding", "embedding_dim", "plr_hidden_2"),
    **_for("it is called sigma", "frequency_init_scale", "plr_sigma", "stddev", "std"),
    **_for("Columns has it: Columns([(columns, Periodic())])", "n_features", "columns"),
    **_for("put an Activate layer behind it", "activation"),
}

PIECEWISE_LINEAR_ARGUMENTS: dict[str, str] = {
    **_for("it is called bins", "n_bins", "num_bins"),
    **_for("it is called units", "d_embedding", "embedding_dim", "n_units"),
    **_for("it is called edges", "bin_edges", "boundaries"),
    **_for("Columns has it: Columns([(columns, PiecewiseLinear())])", "n_features", "columns"),
    **_for("put an Activate layer behind it", "activation"),
}

ONE_HOT_ARGUMENTS: dict[str, str] = {
    **_for(_CATEGORIES, "num_classes", "n_classes", "n_categories", "num_tokens", "cardinality"),
    **_for("it is called unknown", "handle_unknown", "unknown_value"),
}

EMBEDDING_ARGUMENTS: dict[str, str] = {
    **_for(_CATEGORIES, "num_embeddings", "input_dim", "n_categories", "cardinality", "vocabulary_size"),
    **_for("it is called units", "embedding_dim", "output_dim", "d_embedding", "n_units"),
    **_for("it is called initializer", "embeddings_initializer", "kernel_initializer"),
    **_for("it is called unknown", "handle_unknown", "unknown_value", "oov_index"),
    **_for("reserve a code, and give it as unknown", "padding_idx", "mask_zero"),
    **_for("AdamW(weight_decay=...), or the trainer's l2, reaches tables", "embeddings_regularizer"),
}

_EVERY_COLUMN = "it normalises the columns of what it reads, all of them"
_BOTH = "scale and shift are always there; trainable=False leaves them as they are"

NORM_ARGUMENTS: dict[str, str] = {
    **_for("it is called epsilon", "eps", "variance_epsilon"),
    **_for(_EVERY_COLUMN, "normalized_shape", "num_features", "axis", "dim"),
    **_for(_BOTH, "affine", "elementwise_affine", "center", "beta_initializer", "gamma_initializer"),
    **_for("put an Activate layer behind it", "activation"),
}

BATCH_NORM_ARGUMENTS: dict[str, str] = {
    **NORM_ARGUMENTS,
    **_for("it is called momentum, and is the share that is kept: PyTorch's 0.1 is 0.9 here", "decay"),
    **_for("running averages are always kept: model.buffers", "track_running_stats"),
}

DROPOUT_ARGUMENTS: dict[str, str] = {
    **_for("it is called rate, and is the share that is zeroed", "p", "dropout", "dropout_rate", "keep_prob"),
    **_for("the trainer has it: Trainer(model, seed=...)", "seed", "random_state"),
}

PRELU_ARGUMENTS: dict[str, str] = {
    **_for("it is called initial", "init", "alpha", "alpha_initializer", "negative_slope", "initializer"),
    **_for("each column has a slope of its own", "num_parameters", "shared_axes"),
}

STANDARDIZE_ARGUMENTS: dict[str, str] = {
    **_for("model.adapt(X) learns them from data", "mean", "variance", "std"),
    **_for("it is for each column of what it reads", "axis", "n_features"),
}

OPTIMIZER_ARGUMENTS: dict[str, str] = {
    **_for("it is called learning_rate", "lr", "learning_rate_init", "rate", "eta"),
    **_for("they are called beta_1 and beta_2", "betas"),
    **_for("it is called epsilon", "eps"),
    **_for("decoupled it is weight_decay; Trainer(model, l2=...) is the penalty", "decay", "l2", "wd"),
    **_for(
        "learning_rate may be a schedule: Adam(learning_rate=mlpfast.schedules.Cosine(1e-3))",
        *("lr_schedule", "schedule", "lr_decay", "scheduler", "lr_scheduler"),
    ),
    **_for("it is called nesterov", "nesterovs_momentum", "use_nesterov"),
    **_for("an average of the parameters is asked for by ema=0.999", "use_ema", "ema_momentum", "ema_decay"),
    **_for("RMSprop's decay is called rho; weight_decay is the optimizer's other", "alpha"),
    **_for("that of Adam, NAdam and Lion is beta_1; SGD and RMSprop have momentum", "momentum"),
    **_for("the trainer is given the model: Trainer(model, optimizer=...)", "params", "parameters"),
    **_for("LBFGS calls it history_size", "memory", "maxcor", "m"),
    **_for("LBFGS calls it max_line_search", "maxls", "max_eval", "maxfun", "max_fun"),
    **_for("optimizers of full batches call it tolerance_grad", "gtol", "pgtol", "tol", "min_grad"),
    **_for("optimizers of full batches call it tolerance_change", "ftol", "factr"),
    **_for("LevenbergMarquardt calls it damping", "mu", "lambda_", "lm_lambda"),
    **_for("LevenbergMarquardt calls it damping_factor, and lowers it by how well a step did", "mu_inc", "mu_dec"),
    **_for("LevenbergMarquardt calls it max_damping", "mu_max"),
    **_for("NewtonCG calls it initial_trust_radius", "radius", "trust_radius"),
    **_for("an epoch of fit is an iteration: trainer.fit(X, y, epochs=...)", "max_iter", "maxiter"),
    "line_search_fn": "LBFGS always searches, by the strong Wolfe conditions",
    **_for(f"the trainer has it: {_CLIPS}", "clipnorm", "global_clipnorm", "clipvalue", "clip_norm", "clip_value"),
}

_TRAIN = "a trainer does it: Trainer(model, loss=..., optimizer=...).fit(X, y)"
_JUDGE = "a trainer does it: Trainer(model, loss=..., metrics=[...]).evaluate(X, y)"
_VALUES = "values are read and assigned as model.parameters, or model.weights[i] and model.biases[i]"
_GRADIENT = "model.loss_and_gradient(X, y, loss) gives the gradient; a Trainer makes the steps"
_DROPOUT = "dropout is on while a Trainer trains and off in predict"

MODEL_ATTRIBUTES: dict[str, str] = {
    **_for(_TRAIN, "fit", "partial_fit", "train_on_batch"),
    **_for("they are given to the trainer: Trainer(model, loss=..., optimizer=..., metrics=[...])", "compile"),
    **_for("it is the trainer's", "optimizer", "loss", "metrics", "history", "learning_rate", "lr", "callbacks"),
    **_for(
        "layers have it: Dense(units, trainable=False), or Trainer(model, groups={'W0': {'trainable': False}})",
        *("trainable", "requires_grad", "requires_grad_", "freeze", "unfreeze"),
    ),
    **_for(_JUDGE, "evaluate", "score", "test_on_batch"),
    **_for("print(model) shows it", "summary"),
    **_for("write model.predict(X)", "forward", "call", "apply", "transform", "predict_on_batch"),
    **_for(
        "model.predict(X) gives probabilities where the output activation is softmax or sigmoid",
        *("predict_proba", "predict_log_proba", "predict_classes"),
    ),
    **_for(_VALUES, "get_weights", "set_weights"),
    **_for("model.tensors has them by name", "state_dict", "named_parameters"),
    **_for("model.load_tensors(other, strict=False) copies by name what fits", "load_state_dict"),
    **_for(_VALUES, "coefs_", "intercepts_", "trainable_weights", "trainable_variables", "variables"),
    **_for("write model.save(path) and mlpfast.load(path)", "load", "save_weights"),
    **_for("write model.load_tensors(mlpfast.load(path))", "load_weights"),
    **_for("it is model.n_parameters", "count_params", "num_parameters", "n_params"),
    **_for("it is model.inputs", "input_shape", "n_features_in_", "input_dim", "in_features"),
    **_for("it is model.outputs", "output_shape", "n_outputs_", "out_features"),
    **_for(_DROPOUT, "train", "eval", "training"),
    **_for(_GRADIENT, "zero_grad", "backward", "gradient", "grad"),
    **_for("layers are given at once: Model(inputs, layers)", "add"),
    **_for(f"{_CPU}; the dtype is Model(..., dtype=...)", "to", "cuda", "cpu", "device"),
}

TRAINER_ATTRIBUTES: dict[str, str] = {
    **_for("the model does it: trainer.model.predict(X)", "predict", "predict_proba", "forward"),
    **_for("write trainer.evaluate(X, y)", "score", "test", "validate"),
    **_for("write trainer.fit(X, y), or trainer.train_on_batch(X, y) for one step", "train", "step", "partial_fit"),
    **_for("loss, optimizer and metrics are given to Trainer itself", "compile"),
    **_for("print(trainer.model) shows it", "summary"),
    **_for("write trainer.save(path), or trainer.model.save(path) for the model alone", "save_weights", "save_model"),
    **_for("it is called learning_rate", "lr"),
    **_for("write mlpfast.lr_finder(trainer, X, y)", "lr_find", "lr_finder", "tune"),
    **_for("assign trainer.learning_rate a schedule, or give it to the optimizer", "scheduler", "lr_scheduler"),
    **_for(
        "the optimizer has it: trainer.optimizer = Adam(...)",
        *("momentum", "nesterov", "beta_1", "beta_2", "betas", "epsilon", "eps", "weight_decay"),
    ),
    **_for("it is the model's: trainer.model", "parameters", "weights", "biases", "layers"),
    **_for("a callback stops the training by returning True", "stop_training", "should_stop", "stop"),
    **_for("it is called epochs", "epoch", "current_epoch", "n_epochs"),
    **_for("it is called steps", "global_step", "iterations"),
    **_for("each step begins with a gradient of its own", "zero_grad", "backward"),
}

PACKAGE_ATTRIBUTES: dict[str, str] = {
    **_for("write Model(inputs, layers), or mlp(sizes)", "Sequential", "MLP", "Network", "NeuralNetwork"),
    **_for("write Dense(units)", "Linear"),
    **_for("write BatchNorm()", "BatchNormalization", "BatchNorm1d"),
    **_for("write LayerNorm()", "LayerNormalization"),
    **_for("write RMSNorm()", "RMSNormalization"),
    **_for("write Standardize(), and model.adapt(X)", "Normalization", "StandardScaler"),
    **_for("write Dense(units, 'relu'), or Activate('relu')", "ReLU", "LeakyReLU", "GELU", "SiLU", "Tanh", "Softmax"),
    **_for("write Residual([...]) around a block of layers", "Add", "Skip", "ResidualBlock"),
    **_for("write OneHot(categories)", "OneHotEncoder", "CategoryEncoding"),
    **_for("write Columns([(columns, encoder), ...])", "ColumnTransformer"),
    **_for("rows are flat: X.reshape(len(X), -1)", "Flatten", "Reshape"),
    **_for("the model has it: Model(inputs, layers)", "Input", "InputLayer"),
    **_for("write load(path)", "load_model"),
    **_for("write model.save(path)", "save", "save_model"),
    **_for("write plot.network(model)", "plot_model", "draw", "visualize", "summary"),
}


_RECIPE = "the recipe has it, and it is not to be tuned; preset='fast' and 'best' are others"
_EPOCHS = "the recipe has as many epochs as the rows ask for, and the best one is kept; epochs=... sets how many"

TABULAR_ARGUMENTS: dict[str, str] = {
    **_for(_EPOCHS, "n_estimators", "iterations", "num_iterations", "num_boost_round", "max_iter", "n_epochs"),
    **_for(_EPOCHS, "early_stopping", "early_stopping_rounds", "n_iter_no_change", "patience"),
    **_for(
        _RECIPE,
        *("learning_rate", "max_depth", "depth", "num_leaves", "max_leaf_nodes", "min_child_samples"),
        *("min_child_weight", "min_samples_leaf", "min_data_in_leaf", "subsample", "colsample_bytree", "reg_alpha"),
        *("reg_lambda", "l2_leaf_reg", "l2_regularization", "max_bins", "hidden_layer_sizes", "dropout"),
        *("weight_decay", "optimizer", "activation"),
    ),
    **_for("it is called n_threads", "n_jobs", "nthread", "num_threads", "thread_count"),
    **_for("it is called random_state", "seed", "random_seed"),
    **_for(
        "it is called categorical_features; strings and categorical dtypes are found",
        *("cat_features", "categorical_feature", "categorical_columns", "enable_categorical"),
    ),
    **_for("it is called eval_metric", "metric", "scoring", "custom_metric"),
    **_for("regressors have loss=... and quantiles=[...]", "objective", "loss_function", "criterion", "alpha"),
    **_for("write class_weight='balanced', or a dict", "scale_pos_weight", "is_unbalance", "auto_class_weights"),
    **_for("write validation=0.2, 'time' or 'group'", "validation_fraction", "validation_split", "test_size"),
    **_for("it is called max_seconds", "time_limit", "time_budget", "timeout"),
    **_for("it is called verbose", "silent", "verbosity", "logging_level"),
    **_for(_CPU, "device", "device_type", "task_type", "tree_method"),
}

_OF_ESTIMATOR = "the estimator has it, not fit"

TABULAR_FIT_ARGUMENTS: dict[str, str] = {
    **_for(
        "rows to choose the epoch by are given as X_val and y_val",
        *("eval_set", "validation_data", "validation_set", "X_valid", "y_valid"),
    ),
    **_for("it is categorical_features=..., of the estimator", "cat_features", "categorical_feature"),
    **_for(
        _OF_ESTIMATOR,
        *("categorical_features", "eval_metric", "epochs", "batch_size", "verbose", "max_seconds", "class_weight"),
    ),
    **_for("the best epoch is kept in any case", "early_stopping_rounds", "early_stopping"),
    **_for("it is called sample_weight", "weight", "weights", "sample_weights"),
    **_for("it is called groups, with validation='group'", "group", "group_id"),
}


def explain_arguments(hints: Mapping[str, str]) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """A decorator: for an argument that the function does not take, its TypeError says where that lives here."""

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        parameters = inspect.signature(function).parameters
        most = sum(p.kind is not p.KEYWORD_ONLY for p in parameters.values())

        @wraps(function)
        def explained(*arguments: _P.args, **keywords: _P.kwargs) -> _R:
            for name in keywords:
                if name not in parameters:
                    raise _unexpected(function.__qualname__, name, parameters, hints)
            if len(arguments) > most and TOO_MANY in hints:
                raise TypeError(
                    f"{function.__qualname__}() takes at most {most} positional arguments but {len(arguments)} were "
                    f"given; {hints[TOO_MANY]}"
                )
            return function(*arguments, **keywords)

        return explained

    return decorate


def explain_constructor(hints: Mapping[str, str]) -> Callable[[type[_R]], type[_R]]:
    """A class decorator: the same for the arguments that a class takes, of a constructor that nobody wrote by hand."""

    def decorate(cls: type[_R]) -> type[_R]:
        cls.__init__ = explain_arguments(hints)(cls.__init__)  # type: ignore[method-assign]
        return cls

    return decorate


def _unexpected(function: str, name: str, parameters: Iterable[str], hints: Mapping[str, str]) -> TypeError:
    taken = {squeezed(parameter): parameter for parameter in parameters if parameter != "self"}
    near = difflib.get_close_matches(squeezed(name), taken, n=1)
    hint = hints.get(name) or (
        f"did you mean {taken[near[0]]!r}?" if near else f"expected one of {', '.join(taken.values())}"
    )
    return TypeError(f"{function}() got an unexpected keyword argument {name!r}; {hint}")


class _Elsewhere:
    """In place of an attribute that objects of a class do not have."""

    def __init__(self, name: str, hints: Mapping[str, str]) -> None:
        self._name, self._hints = name, hints

    def __get__(self, instance: object, owner: type) -> None:
        raise missing_attribute(f"{owner.__name__!r} object", self._name, self._hints)

    def __set__(self, instance: object, value: object) -> None:
        self.__get__(instance, type(instance))  # it would have no effect


def explain_attributes(hints: Mapping[str, str]) -> Callable[[type[_R]], type[_R]]:
    """A class decorator: for these attributes, which no object has, the AttributeError says where that lives here.

    A ``__getattr__`` would slow down every attribute that there is. ``hasattr`` and ``dir`` know nothing of them.
    """

    def decorate(cls: type[_R]) -> type[_R]:
        for name in hints:
            setattr(cls, name, _Elsewhere(name, hints))
        cls.__dir__ = lambda self: sorted(set(object.__dir__(self)) - set(hints))  # type: ignore[method-assign]
        return cls

    return decorate


def refuse_without_effect(kind: str, name: str, settings: Iterable[str], hints: Mapping[str, str]) -> None:
    """An AttributeError for what an object of this kind would not look at: a setting misspelt, or one of `hints`."""
    spelt = {squeezed(setting): setting for setting in settings}
    near = difflib.get_close_matches(squeezed(name), spelt, n=1, cutoff=0.85)
    known = hints if name in hints else {name: f"did you mean {spelt[near[0]]!r}?"} if near else {}
    if known:
        raise missing_attribute(kind, name, known)


def missing_attribute(kind: str, name: str, hints: Mapping[str, str]) -> AttributeError:
    """The AttributeError of an object of this kind, with where that lives here, if it is known."""
    hint = f"; {hints[name]}" if name in hints else ""
    return AttributeError(f"{kind} has no attribute {name!r}{hint}")
