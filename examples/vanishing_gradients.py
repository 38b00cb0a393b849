"""Vanishing gradients, seen and cured
===================================

Why deep sigmoid networks do not learn, seen and cured.

::

    python examples/vanishing_gradients.py

Backpropagation multiplies the gradient by g'(z) W^T at every layer. The sigmoid's slope is at most 1/4, so through ten
layers little is left of it and the first layers stand still. relu, whose slope is 1 where it is active, with He's
initial weights, whose variance 2 / fan_in makes up for the inactive half, lets the gradient through.
"""

import numpy as np

import mlpfast as mf

X, y = mf.datasets.load_digits()
X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-6)
test = np.arange(len(y)) % 4 == 0
hidden_layers = 10

for activation, initializer in (("sigmoid", "glorot_uniform"), ("relu", "he_normal")):
    layers = [mf.Dense(64, activation=activation, kernel_initializer=initializer) for _ in range(hidden_layers)]
    model = mf.Model(64, [*layers, mf.Dense(10, activation="softmax")], seed=0)

    _, gradient = model.loss_and_gradient(X[~test], y[~test], loss="cross_entropy")
    print(f"\n{activation}: root mean square of dL/dW before training, layer by layer (bar: its logarithm)")
    position = 0
    for layer, (W, b) in enumerate(zip(model.weights, model.biases, strict=True)):
        rms = np.sqrt(np.mean(np.square(gradient[position : position + W.size], dtype=np.float64)))
        position += W.size + b.size
        print(f"  layer {layer:2}  {rms:.1e}  {'#' * max(0, round(5 * (np.log10(rms) + 11)))}")

    trainer = mf.Trainer(model, optimizer=mf.SGD(0.05, momentum=0.9), metrics=["accuracy"], seed=0)
    history = trainer.fit(X[~test], y[~test], epochs=20, validation_data=(X[test], y[test]), verbose=0)
    print(f"  after 20 epochs: test accuracy {history['val_accuracy'][-1]:.3f}")
