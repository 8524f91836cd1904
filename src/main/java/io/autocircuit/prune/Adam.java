package io.autocircuit.prune;

/**
 * Gradient descent with a step of its own for each parameter (Kingma and Ba 2015, "Adam: a method
 * for stochastic optimization", arXiv:1412.6980): β 0.9 and 0.999, ε 1e-8.
 */
final class Adam {
  private final double learningRate;
  private final double[] momentum;
  private final double[] variance;
  private int step;

  Adam(int parameters, double learningRate) {
    this.learningRate = learningRate;
    momentum = new double[parameters];
    variance = new double[parameters];
  }

  /** Moves the parameters against their gradient. */
  void step(double[] theta, double[] gradient) {
    step(theta, gradient, 1);
  }

  /** Moves the parameters against their gradient, by a share of the learning rate. */
  void step(double[] theta, double[] gradient, double share) {
    double rate = learningRate * share;
    step++;
    double c1 = 1 - Math.pow(0.9, step);
    double c2 = Math.sqrt(1 - Math.pow(0.999, step));
    for (int i = 0; i < theta.length; i++) {
      double g = gradient[i];
      momentum[i] = 0.9 * momentum[i] + 0.1 * g;
      variance[i] = 0.999 * variance[i] + 0.001 * g * g;
      theta[i] -= rate / c1 * momentum[i] / (Math.sqrt(variance[i]) / c2 + 1e-8);
    }
  }
}
