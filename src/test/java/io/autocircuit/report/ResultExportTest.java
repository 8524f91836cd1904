package io.autocircuit.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.autocircuit.experiment.CellResult;
import io.autocircuit.experiment.ExperimentResults;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Results for other programs. */
class ResultExportTest {
  @Test
  void measurementsInLongForm() {
    ExperimentResults results =
        SampleResults.of(
            List.of(
                SampleResults.cell(
                    "induction", "ig", "IG, \"5\"", "zero", 7, Map.of(), 2, Double.NaN, 1e-7),
                SampleResults.cell("induction", "eap", "EAP", "zero", 7, Map.of())));
    assertEquals(
        """
        run,task,algorithm,label,ablation,patch_type,seed,metric,edges,value
        induction-ig-zero-7,induction,ig,"IG, ""5""\",zero,tree,7,kl_div,0,2.0
        induction-ig-zero-7,induction,ig,"IG, ""5""\",zero,tree,7,kl_div,10,NaN
        induction-ig-zero-7,induction,ig,"IG, ""5""\",zero,tree,7,kl_div,100,1.0E-7
        induction-ig-zero-7,induction,ig,"IG, ""5""\",zero,tree,7,logit_diff,0,1.0
        induction-ig-zero-7,induction,ig,"IG, ""5""\",zero,tree,7,logit_diff,10,NaN
        induction-ig-zero-7,induction,ig,"IG, ""5""\",zero,tree,7,logit_diff,100,2.9999999
        """,
        ResultExport.csv(results));
  }

  @Test
  void everythingAsJson() throws IOException {
    JsonNode all = new ObjectMapper().readTree(ResultExport.json(SampleResults.grid()));
    assertEquals("induction, twice", all.get("title").asText());
    assertEquals(3, all.get("waiting").asInt());
    assertEquals(12, all.get("cells").size());
    assertEquals(
        "{\"run\":\"77aa\",\"cell\":\"task=docstring, algorithm=acdc\","
            + "\"message\":\"model=\\\"attn-only-4l\\\" is not there\"}",
        all.get("failures").get(0).toString());
    assertEquals(
        "{\"run\":\"induction-eap-resample-1\",\"edges\":10,\"knocked_out\":2,\"normal\":0.1,"
            + "\"knockout\":0.4}",
        all.get("completeness").get(0).toString());
    CellResult from = SampleResults.grid().cells().get(1);
    assertEquals(
        "{\"run\":\"induction-ig-resample-1\",\"task\":\"induction\",\"algorithm\":\"ig\","
            + "\"label\":\"IG, samples 5\",\"ablation\":\"resample\",\"patch_type\":\"tree\","
            + "\"seed\":1,\"settings\":{\"algorithm.samples\":\"5\",\"run.seed\":\"1\"},"
            + "\"edges\":100,\"official_edges\":10,\"prompts\":32,\"score_prompts\":64,"
            + "\"cost\":{\"score_seconds\":0.5,\"judge_seconds\":2.0,\"plain_seconds\":0.5,"
            + "\"plain_passes\":1.0},"
            + "\"measurements\":[{\"metric\":\"kl_div\",\"points\":[{\"edges\":0,\"value\":2.0},"
            + "{\"edges\":10,\"value\":0.42000000000000004},{\"edges\":100,\"value\":0.01}]},"
            + "{\"metric\":\"logit_diff\",\"points\":[{\"edges\":0,\"value\":1.0},"
            + "{\"edges\":10,\"value\":2.58},{\"edges\":100,\"value\":2.99}]}],"
            + "\"roc\":{\"area\":0.76,\"points\":["
            + "{\"false_positive_rate\":0.0,\"true_positive_rate\":0.0},"
            + "{\"false_positive_rate\":0.24,\"true_positive_rate\":0.76},"
            + "{\"false_positive_rate\":1.0,\"true_positive_rate\":1.0}]},"
            + "\"live_edges\":{\"0\":0,\"10\":9,\"100\":100},"
            + "\"found\":[{\"what\":\"kept at τ = 0.01\",\"edges\":12}],"
            + "\"verdict\":\"10 of 100 edges, \\\"enough\\\"\",\"notices\":[\"a notice\"],"
            + "\"scores\":\"cells/induction/scores.safetensors\"}",
        all.get("cells").get(1).toString());
    assertEquals(from.run(), all.get("cells").get(1).get("run").asText());
  }
}
