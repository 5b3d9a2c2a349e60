import Files
import Telemetry
import Testing
import Transfer

@Suite("Metrics of downloads") struct DownloadMetricsTests {
    @Test("every attempt is counted once, by how it ended")
    func counts() throws {
        let registry = MetricRegistry(shards: 1)
        let metrics = try DownloadMetrics(registry: registry) {
            WallTime(nanosecondsSinceEpoch: 1_700_000_000_500_000_000)
        }
        metrics.record(attempt("stalled", bytes: 10, microseconds: 30_000_000), model: "m")
        #expect(lastSuccess(lines(registry)) == nil)
        metrics.record(attempt("downloaded", bytes: 1000, microseconds: 20_000), model: "m")
        metrics.record(attempt("unchanged", bytes: 0, microseconds: 20_000), model: "m")
        metrics.record(attempt("a code of a later version", bytes: 1, microseconds: 0), model: "m")
        let text = lines(registry)
        for line in [
            #"leeway_download_attempts_total{model="m",source="train.features",result="stalled"} 1"#,
            #"leeway_download_attempts_total{model="m",source="train.features",result="downloaded"} 1"#,
            #"leeway_download_attempts_total{model="m",source="train.features",result="unchanged"} 1"#,
            #"leeway_download_attempts_total{model="m",source="train.features",result="other"} 1"#,
            #"leeway_download_bytes_total{model="m",source="train.features"} 1011"#,
            #"leeway_download_duration_seconds_count{model="m"} 4"#,
            #"leeway_download_duration_seconds_bucket{model="m",le="0.05"} 3"#,
        ] {
            #expect(text.contains(line), "\(line)")
        }
        #expect(lastSuccess(text) == 1_700_000_000.5)
    }

    @Test("errors of libcurl and classes of answers are counted by labels of a closed set")
    func codes() throws {
        let registry = MetricRegistry(shards: 1)
        let metrics = try DownloadMetrics(registry: registry)
        for (code, status) in [(28, 0), (28, 200), (4711, 503), (0, 200), (0, -7), (-1, 4711)] {
            var found = attempt("stalled", bytes: 0, microseconds: 0)
            (found.curlCode, found.status) = (code, status)
            metrics.record(found, model: "m")
        }
        let text = lines(registry)
        for line in [
            #"leeway_download_curl_errors_total{model="m",source="train.features",curl_code="28"} 2"#,
            #"leeway_download_curl_errors_total{model="m",source="train.features",curl_code="other"} 2"#,
            #"leeway_download_responses_total{model="m",source="train.features",status_class="2xx"} 2"#,
            #"leeway_download_responses_total{model="m",source="train.features",status_class="5xx"} 1"#,
        ] {
            #expect(text.contains(line), "\(line)")
        }
        #expect(text.filter { $0.hasPrefix("leeway_download_responses_total") }.count == 2)
    }

    @Test("nonsense from another process does not trap")
    func nonsense() throws {
        let metrics = try DownloadMetrics(registry: MetricRegistry(shards: 1))
        metrics.record(attempt("downloaded", bytes: -5, microseconds: -5), model: "m")
        metrics.record(attempt("", bytes: .max, microseconds: .max), model: "m")
    }

    @Test("every error has a code of the closed set, and words that say what to do")
    func errorCodes() {
        let url = "https://host/x"
        let errors: [TransferError] =
            TransferFailure.allCases.map { .failed($0, url: url, detail: "why") } + [
                .invalidURL(url: url, reason: "why"), .invalidHeader(name: "X"),
                .status(404, url: url, retryAfterSeconds: nil),
                .status(503, url: url, retryAfterSeconds: 5), .tooLarge(url: url, bytesMax: 1),
                .refused(url: url, reason: "why"),
                .secretUnreadable(file: "/x", reason: "why"),
                .circuitOpen(url: url, secondsLeft: 5),
                .disk(.failed(operation: "write", path: "/x", errorNumber: 28)),
                .disk(.failed(operation: "write", path: "/x", errorNumber: 5)),
                .mirrorsFailed([.cancelled]), .cancelled, .library(operation: "x", reason: "why"),
            ]
        #expect(errors.map(\.code).sorted() == TransferError.allCodes.sorted())
        #expect(Set(TransferError.allCodes).count == TransferError.allCodes.count)
        #expect(errors.allSatisfy { $0.description.count > 10 })
    }

    private func lastSuccess(_ text: [String]) -> Double? {
        let line = text.first { $0.hasPrefix("leeway_download_last_success") }
        return line?.split(separator: " ").last.flatMap { Double($0) }
    }

    private func attempt(_ result: String, bytes: Int, microseconds: Int) -> DownloadAttempt {
        DownloadAttempt(
            mirror: "https://host/x",
            result: result,
            status: 200,
            curlCode: 0,
            bytes: bytes,
            source: "train.features",
            microseconds: microseconds
        )
    }

    private func lines(_ registry: MetricRegistry) -> [String] {
        var text: [UInt8] = []
        registry.write(.text, into: &text)
        return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
