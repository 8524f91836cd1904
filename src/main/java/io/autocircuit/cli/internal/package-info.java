/**
 * The native method behind {@code io.autocircuit.cli.Start}, and nothing else. Not part of the API.
 */
package io.autocircuit.cli.internal;
