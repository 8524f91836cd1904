/**
 * The JavaCPP class behind {@link io.autocircuit.tensor.NativeTuning}, and nothing else. Not part
 * of the API.
 */
package io.autocircuit.tensor.internal;
