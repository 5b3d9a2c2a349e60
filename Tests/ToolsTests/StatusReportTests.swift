import Testing
import Tools

@Suite("Status for a person") struct StatusReportTests {
    private static let json = #"""
        {"version": "1.0.0", "started": 1795466160, "log_level": "info",
         "traffic": {"seconds_per_point": 5, "requests_per_second": [0, 5, 10],
          "errors_per_second": [0, 0, 0.2],
          "latency_seconds": {"p50": 0.0004, "p90": 0.0009, "p99": 0.0102}},
         "models": [
          {"name": "fashion", "ready": true, "version": 3, "digest": "ab", "since": "noon",
           "scores": {"accuracy": 0.8761, "loss": 0.3},
           "retrain": {"next": 1795467600, "last": {"result": "published", "reason": "better"}},
           "drift": {"rows": 900, "evidence": 6.91, "threshold": 13.82, "alarm": "info",
            "cause": "input",
            "streams": [
             {"name": "brightness", "evidence": 6.91, "psi": 0.31, "tv": 0.2, "tolerance": 0.05},
             {"name": "quiet", "evidence": 0, "tolerance": 0.05}]},
           "release": {"version": 4, "stage": "shadow", "rows": 120, "labels": 0,
            "agreement": 0.9375}, "pinned": 3,
           "journal": [{"time": "t2", "event": "published", "version": 3, "actor": "drift",
            "reason": "better"}]},
          {"name": "empty", "ready": false, "journal": []}]}
        """#

    @Test("traffic, latency, drift by stream, the next run and the journal are told")
    func whole() throws {
        let text = try StatusReport(json: Array(Self.json.utf8)).text
        #expect(
            text == """
                leeway 1.0.0, up since 2026-11-23T20:36:00Z, log level info
                requests  ▁▅█ 10.0/s, last 0.3 min
                errors    ▁▁█ 0.2/s
                latency   50 % in 0.40 ms, 90 % in 0.90 ms, 99 % in 10.20 ms

                fashion: version 3, accuracy 0.8761, live since noon
                  last run  published: better
                  next run  2026-11-23T21:00:00Z
                  drift     ALARM (info: input), evidence 6.91 of 13.82 nats, 900 rows
                            █████░░░░░ brightness: evidence 6.91, PSI 0.310, distance 0.200 \
                (leeway 0.050)
                  pinned    version 3
                  release   version 4, shadow: 120 rows, 0 labels, agreement 0.938
                  journal   t2 published 3 by drift: better

                empty: no version yet
                """
        )
    }

    @Test("figures that are none do no harm to a picture")
    func odd() {
        #expect(Sparkline.of([]) == "")
        #expect(Sparkline.of([0, 0]) == "▁▁")
        #expect(Sparkline.of([.nan, -1, .infinity, 2]) == "▁▁▁█")
        #expect(Sparkline.bar(.nan) == "░░░░░░░░░░")
        #expect(Sparkline.bar(7) == "██████████")
    }

    @Test("what is no status is refused")
    func refused() {
        #expect(throws: (any Error).self) { try StatusReport(json: Array("{}".utf8)) }
    }
}
