import Testing
import Tools

@Suite("Report of drift") struct DriftTextTests {
    private static let json = #"""
        {"fashion": {"rows": 4200, "evidence_nats": 15.25, "threshold_nats": 13.82,
          "window_rows": 4000, "reference_rows": 10000,
          "verdict": {"level": "critical", "cause": "expected_error", "reason": "it errs more",
           "findings": ["expected_error", "prediction"], "asks_for_retrain": true},
          "attribution": {"streams": [
            {"stream": "prediction.class", "kind": "prediction", "share": 0.9,
             "evidence_nats": 15.1},
            {"stream": "frame.mean", "kind": "input", "share": 0.1, "evidence_nats": 12.9}],
           "features": [], "change": {"after_row": 1900, "rows_ago": 2300,
            "seconds": 1795466160}},
          "streams": [
           {"name": "prediction.class", "tolerance": 0.07, "psi": 0.4, "tv": 0.25,
            "tv_lower": 0.22}, {"name": "frame.mean", "tolerance": 0.08}],
          "quiet_rows": 2100,
          "performance": {"caution": "blind to concept drift", "holdout_accuracy": 0.876,
           "cbpe": {"accuracy": 0.61, "standard_error": 0.005},
           "atc": {"accuracy": 0.6, "standard_error": 0.005},
           "evidence_nats": 20, "threshold_nats": 16.12},
          "labelled": {"rows": 120, "limit": 0.155, "evidence_nats": 1.5, "threshold_nats": 16.12,
           "error": {"lower": 0.1, "mean": 0.2, "upper": 0.35}}},
         "calm": {"rows": 0, "evidence_nats": 0, "threshold_nats": 13.82, "window_rows": 0,
          "reference_rows": 100, "verdict": {"reason": "no alarm stands"},
          "season": {"column": "sold", "group": 1, "holdout_rows": [70, 30], "group_of_hour": [],
           "streams": ["prediction.class"]},
          "attribution": {"streams": []}, "streams": []}}
        """#

    @Test("alarm, cause, date, streams, estimates and labels are told")
    func whole() throws {
        let text = try DriftText(json: Array(Self.json.utf8), model: nil).text
        #expect(
            text == """
                calm: no alarm, evidence 0.00 of 13.82 nats, 0 rows watched
                  season    hours of the week by column sold: group 2 of 2 in force, 30 hold-out \
                rows; 1 of 0 streams depend on it

                fashion: ALARM (critical: expected error), evidence 15.25 of 13.82 nats, 4200 rows \
                watched
                  reason    it errs more
                  passed    what raised it has been back at rest for 2100 rows: look at what came in \
                between, then leeway drift ack
                  since     about 2026-11-23T20:36:00Z, 2300 watched predictions ago
                  streams   █████████░ prediction.class: evidence 15.10, PSI 0.400, distance \
                0.250, certain 0.220 (leeway 0.070)
                            █░░░░░░░░░ frame.mean: evidence 12.90, PSI –, distance –, certain – \
                (leeway 0.080)
                  accuracy  CBPE 0.6100 ± 0.0098, ATC 0.6000 ± 0.0098; hold-out 0.8760; evidence \
                20.00 of 16.12
                            blind to concept drift
                  labels    120 rows, error 0.2000 (0.1000 to 0.3500), limit 0.1550, evidence \
                1.50 of 16.12
                """
        )
    }

    @Test("one model can be chosen, and one that is not watched is named")
    func chosen() throws {
        let text = try DriftText(json: Array(Self.json.utf8), model: "calm").text
        #expect(text.hasPrefix("calm: no alarm") && !text.contains("fashion"))
        let error = #expect(throws: DriftText.Missing.self) {
            try DriftText(json: Array(Self.json.utf8), model: "other")
        }
        #expect("\(error as Any)".contains("other"))
        #expect(try DriftText(json: Array("{}".utf8), model: nil).text.contains("no model"))
    }
}
