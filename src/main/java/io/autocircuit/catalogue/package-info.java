/**
 * Catalogues: what exists of a kind (algorithms, metrics, ablations, tasks, architectures), and
 * which settings each has, as data. No tensors.
 *
 * <ul>
 *   <li>An {@link io.autocircuit.catalogue.Entry} has a key, a title, a description, a {@link
 *       io.autocircuit.catalogue.Source} and its {@link io.autocircuit.catalogue.Setting}s.
 *   <li>A {@link io.autocircuit.catalogue.Catalogue} holds the entries of one kind. Those of other
 *       jars are found through {@link java.util.ServiceLoader}: one class, and one line in {@code
 *       META-INF/services}.
 *   <li>{@link io.autocircuit.catalogue.Settings} are checked values, with JSON that is the same
 *       for the same values.
 * </ul>
 *
 * <p>Options and their help, lists, files of settings and reference pages come from here, so that
 * each setting is described once.
 */
package io.autocircuit.catalogue;
