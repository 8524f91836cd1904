package io.autocircuit.model;

import io.autocircuit.kernels.Products;
import io.autocircuit.tensor.Placement;
import io.autocircuit.tensor.TensorScope;
import java.util.Arrays;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * A sparse autoencoder of what an MLP writes: it takes an output x apart into latents f, few of
 * which are active at a position, and puts x together again (Cunningham et al. 2023,
 * arXiv:2309.08600; Gao et al. 2024, "Scaling and evaluating sparse autoencoders",
 * arXiv:2406.04093):
 *
 * <pre>
 * y = (x − μ) / s                       by the {@link Scaling}; x itself without
 * a = activation((y − inputBias) encode + encodeBias)
 * f = s·a
 * x ≈ Σ_k f_k decode[k] + base,         base = s·outputBias + μ
 * </pre>
 *
 * <p>The <em>activation</em> of a latent is here f, in the units of x: what latent k writes into
 * the stream is {@code f_k decode[k]}. The base belongs to no latent.
 *
 * @param encode {@code [D,E]}: a column for each latent; E is the number of all latents where the k
 *     largest of all are chosen, else only of those that are there
 * @param encodeBias {@code [E]}
 * @param threshold {@code [E]}: a latent is active above it; null for 0
 * @param chosen how many latents, the largest, may be active; 0 for any number
 * @param inputBias {@code [D]}, subtracted before encoding; or null
 * @param decode {@code [K,D]}: what each latent writes
 * @param outputBias {@code [D]}
 * @param scaling how its input is scaled
 * @param latents the numbers of the K latents in the autoencoder as it was trained, ascending
 */
public record Autoencoder(
    Tensor encode,
    Tensor encodeBias,
    Tensor threshold,
    int chosen,
    Tensor inputBias,
    Tensor decode,
    Tensor outputBias,
    Scaling scaling,
    int[] latents) {

  /** What the normalisation of sparse_autoencoder and SAELens adds to the deviation. */
  private static final double EPSILON = 1e-5;

  /** How an input is scaled before it is encoded; what is decoded is scaled back. */
  public enum Scaling {
    /** Not at all: μ = 0, s = 1. */
    NONE,
    /**
     * μ is its mean and s its standard deviation over the D − 1 degrees of freedom; 1e-5 is added
     * to the s that it is divided by.
     */
    LAYER_NORM,
    /** To length √D: μ = 0, s = ‖x‖ / √D. */
    CONSTANT_NORM
  }

  /**
   * Takes the arrays as they are.
   *
   * @param encode {@code [D,E]}
   * @param encodeBias {@code [E]}
   * @param threshold {@code [E]}, or null
   * @param chosen 0 to E
   * @param inputBias {@code [D]}, or null
   * @param decode {@code [K,D]}
   * @param outputBias {@code [D]}
   * @param scaling how its input is scaled
   * @param latents K ascending numbers, copied; each below E where the largest of all are chosen
   */
  public Autoencoder {
    latents = latents.clone();
  }

  /**
   * Latents of some positions.
   *
   * @param activations f, {@code [N,K]}
   * @param raw f without the scale s, {@code [N,K]}; the same tensor without scaling
   * @param scaled y, {@code [N,D]}; null without scaling
   * @param mean μ, {@code [N,1]}; null where it is 0
   * @param scale s, {@code [N,1]}; null where it is 1
   */
  public record Encoded(Tensor activations, Tensor raw, Tensor scaled, Tensor mean, Tensor scale) {
    /**
     * Moves them out of a scope.
     *
     * @param scope the scope that they are in
     */
    public void keep(TensorScope scope) {
      for (Tensor t : new Tensor[] {activations, raw, scaled, mean, scale}) {
        if (t != null) {
          scope.keep(t);
        }
      }
    }
  }

  /**
   * Number of latents.
   *
   * @return K
   */
  public int size() {
    return latents.length;
  }

  /**
   * The numbers of its latents in the autoencoder as it was trained.
   *
   * @return ascending; a copy
   */
  @Override
  public int[] latents() {
    return latents.clone();
  }

  /**
   * The latents of outputs of the MLP.
   *
   * @param x {@code [N,D]}
   * @return tensors in the current scope
   */
  public Encoded encode(Tensor x) {
    Tensor mean = null;
    Tensor scale = null;
    Tensor y = x;
    if (scaling == Scaling.LAYER_NORM) {
      mean = x.mean(new long[] {-1}, true, null);
      y = x.sub(mean);
      scale = squares(y).div_(new Scalar(Math.max(1.0, (double) (x.size(1) - 1)))).sqrt_();
      y = y.div_(scale.add(new Scalar(EPSILON)));
    } else if (scaling == Scaling.CONSTANT_NORM) {
      scale = squares(x).div_(new Scalar((double) x.size(1))).sqrt_();
      y = x.div(scale);
    }
    Tensor h = Products.addmm(encodeBias, inputBias == null ? y : y.sub(inputBias), encode);
    Tensor raw = some(activated(h));
    Tensor activations = scale == null ? raw : raw.mul(scale);
    return new Encoded(activations, raw, scale == null ? null : y, mean, scale);
  }

  private static Tensor squares(Tensor x) {
    return x.mul(x).sum(new long[] {-1}, true, null);
  }

  private Tensor activated(Tensor h) {
    if (chosen > 0) {
      var largest = torch.topk(h, chosen, -1, true, true);
      return torch.zeros_like(h).scatter_(-1, largest.get1(), largest.get0().relu());
    }
    return threshold == null ? h.relu_() : h.relu().mul_(h.gt(threshold));
  }

  /** Of all latents that are encoded, those that are there. */
  private Tensor some(Tensor all) {
    return all.size(1) == latents.length ? all : Placement.slices(all, 1, latents);
  }

  /**
   * What of a reconstruction belongs to no latent.
   *
   * @param encoded of N positions
   * @return {@code [D]} or {@code [N,D]}
   */
  public Tensor base(Encoded encoded) {
    if (encoded.scale() == null) {
      return outputBias;
    }
    Tensor scaled = outputBias.mul(encoded.scale());
    return encoded.mean() == null ? scaled : scaled.add_(encoded.mean());
  }

  /**
   * What the latents write, without the base.
   *
   * @param activations f, {@code [N,K]}
   * @return {@code [N,D]}, in the current scope
   */
  public Tensor decode(Tensor activations) {
    return Products.mm(activations, decode);
  }

  /**
   * The reconstruction.
   *
   * @param encoded of N positions
   * @return {@code [N,D]}, in the current scope
   */
  public Tensor reconstruct(Encoded encoded) {
    return decode(encoded.activations()).add_(base(encoded));
  }

  /**
   * The gradient with respect to x. Where a latent is not active it has none; a threshold, or which
   * latents are the largest, does not move.
   *
   * @param encoded what {@link #encode} returned
   * @param activations ∂L/∂f, {@code [N,K]}
   * @param base ∂L/∂base, {@code [N,D]}; only read with a scaling
   * @return {@code [N,D]}, in the current scope
   */
  public Tensor backward(Encoded encoded, Tensor activations, Tensor base) {
    Tensor raw = encoded.raw();
    Tensor scale = encoded.scale();
    Tensor active = activations.mul(raw.gt(new Scalar(0.0)));
    Tensor h = scale == null ? active : active.mul(scale);
    Tensor y = Products.mm(h, some(encode).t());
    if (scale == null) {
      return y;
    }
    Tensor all = raw.mul(activations).sum(new long[] {-1}, true, null);
    all.add_(base.mul(outputBias).sum(new long[] {-1}, true, null));
    Tensor moved = y.mul(encoded.scaled()).sum(new long[] {-1}, true, null);
    double d = (double) encoded.scaled().size(1);
    if (scaling == Scaling.CONSTANT_NORM) {
      all.sub_(moved.div_(scale)).div_(new Scalar(d));
      return y.div_(scale).add_(encoded.scaled().mul(all));
    }
    Tensor divisor = scale.add(new Scalar(EPSILON));
    all.sub_(moved.div_(divisor));
    // x − μ = y·divisor; ∂s/∂(x − μ) = (x − μ) / ((D − 1) s)
    all.mul_(divisor).div_(scale).div_(new Scalar(Math.max(1.0, d - 1)));
    Tensor centred = y.div_(divisor).add_(encoded.scaled().mul(all));
    centred.sub_(centred.mean(new long[] {-1}, true, null));
    return centred.add_(base.mean(new long[] {-1}, true, null));
  }

  /**
   * Some of its latents; tensors are shared, or in the current scope.
   *
   * @param kept numbers of latents that are there, ascending
   */
  Autoencoder keeping(int[] kept) {
    int[] at = new int[kept.length];
    for (int i = 0; i < kept.length; i++) {
      at[i] = Arrays.binarySearch(latents, kept[i]);
      if (at[i] < 0) {
        throw new IllegalArgumentException(
            "latent=" + kept[i] + " is none of the autoencoder's " + latents.length + " latents");
      }
    }
    boolean all = chosen > 0; // the largest of all are chosen, whichever are kept
    return new Autoencoder(
        all ? encode : Placement.slices(encode, 1, at),
        all ? encodeBias : Placement.slices(encodeBias, 0, at),
        all || threshold == null ? threshold : Placement.slices(threshold, 0, at),
        chosen,
        inputBias,
        Placement.slices(decode, 0, at),
        outputBias,
        scaling,
        kept);
  }

  @Override
  public boolean equals(Object o) {
    return this == o;
  }

  @Override
  public int hashCode() {
    return System.identityHashCode(this);
  }

  @Override
  public String toString() {
    return "Autoencoder[latents="
        + size()
        + ", scaling="
        + scaling
        + (chosen > 0 ? ", chosen=" + chosen : "")
        + "]";
  }
}
