package io.autocircuit.task.program;

/**
 * A direction of the residual stream of a compiled program: a coordinate axis.
 *
 * @param name the operation and, if it is categorical, the value: {@code tokens:x}, {@code
 *     length:5}; {@code one} is 1 wherever there is a letter, {@code bos} where there is BOS
 * @param writer the source of the graph that writes it, such as {@code MLP 0}
 * @param varies whether what is written depends on the letters, and not on their number alone
 */
public record Direction(String name, String writer, boolean varies) {}
