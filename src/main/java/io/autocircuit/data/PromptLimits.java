package io.autocircuit.data;

/**
 * What a model takes.
 *
 * @param vocabulary token ids that it reads are below this
 * @param answerVocabulary token ids that it says are below this
 * @param contextLength the largest number of tokens of a prompt
 * @param paired whether clean and corrupt prompts of a pair must have one length
 */
public record PromptLimits(
    int vocabulary, int answerVocabulary, int contextLength, boolean paired) {}
