package io.autocircuit.hub;

/**
 * A file of a model on the hub.
 *
 * @param name its path in the model's repository, such as {@code config.json}
 * @param size in bytes
 * @param hash of its content
 */
public record HubFile(String name, long size, HubHash hash) {}
