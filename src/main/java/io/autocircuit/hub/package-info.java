/**
 * Models by their name on the Hugging Face hub: read from the cache that its own programs share,
 * else downloaded into it. No tensors.
 *
 * <ul>
 *   <li>{@link io.autocircuit.hub.Hub} finds a model: in the cache, or through the network.
 *   <li>A {@link io.autocircuit.hub.HubId} is what people type, {@code org/name@revision}; {@link
 *       io.autocircuit.hub.HubSettings} is what the environment says: where the cache lies, which
 *       server, which token.
 *   <li>{@link io.autocircuit.hub.HubCache} is the published layout: files under their hash,
 *       snapshots of links to them, and names of branches.
 * </ul>
 *
 * <p><b>Servers are untrusted.</b> What they name is checked before it becomes a path, what they
 * send is written under its name only when size and hash are right, and a token goes to the
 * configured server alone.
 */
package io.autocircuit.hub;
