package io.autocircuit.experiment;

import io.autocircuit.experiment.ExperimentResults.CompletenessResult;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * What a store writes of a cell.
 *
 * @param spec the run as it was
 * @param result what came out
 * @param prompts the index in the prompt file of each prompt that judged, in the order of the
 *     measurements
 * @param cost what it took
 * @param started when it began
 * @param totalSeconds with opening and writing
 * @param scores the file of its scores, from the store's directory
 * @param page the page of its circuit, from the store's directory
 * @param completeness of its circuits
 * @param tests of its circuits
 */
record CellOutcome(
    RunSpec spec,
    Discovery.Result result,
    int[] prompts,
    CellResult.Cost cost,
    Instant started,
    double totalSeconds,
    String scores,
    Optional<String> page,
    List<CompletenessResult> completeness,
    CellTests tests) {}
