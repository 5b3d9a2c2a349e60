internal import Files
package import Logging

/// Fetches files by libcurl: mirrors in order, only what has changed, and never half a file.
///
/// Start here. A download goes through the list of mirrors (``MirrorPlan``, the brain); each
/// attempt runs on a thread of its own (``TransferThread``), which asks conditionally, checks the
/// limits, and puts the finished file in its place (``AttemptRunner``).
package final class Downloader: Sendable {
    /// How downloads are made.
    package let settings: DownloadSettings
    private let thread: TransferThread
    private let logger: Logger
    private let circuits: CircuitFile?
    private let onAttempt: (@Sendable (DownloadAttempt) -> Void)?
    private let born = ContinuousClock.now
    private let sleep: @Sendable (Duration) async throws -> Void

    /// Starts the transfer thread, which lives as long as the downloader.
    ///
    /// - Parameters:
    ///   - settings: How downloads are made.
    ///   - circuits: Which hosts are left alone for a while; nil asks every host every time.
    ///   - logger: Told about failed attempts (warning) and finished downloads (info).
    ///   - onAttempt: Told about every attempt; ``DownloadMetrics/record(_:)`` fits.
    ///   - sleep: Waits between rounds; tests give one that does not.
    /// - Throws: ``TransferError/library(operation:reason:)``.
    package init(
        settings: DownloadSettings = DownloadSettings(),
        circuits: CircuitFile? = nil,
        logger: Logger,
        onAttempt: (@Sendable (DownloadAttempt) -> Void)? = nil,
        sleep: @escaping @Sendable (Duration) async throws -> Void = {
            try await Task.sleep(for: $0)
        }
    ) throws(TransferError) {
        self.settings = settings
        self.circuits = circuits
        self.logger = logger
        self.onAttempt = onAttempt
        self.sleep = sleep
        thread = try TransferThread()
    }

    /// Makes sure that the target holds the file as its mirrors have it now.
    ///
    /// The target and its folder are made if missing. When this throws, the target is as it was.
    ///
    /// - Parameter request: What is wanted.
    /// - Returns: Whether the file is new, and what is known of it.
    /// - Throws: ``TransferError``: the error itself when there was one mirror or the fault is on
    ///   this side, else ``TransferError/mirrorsFailed(_:)``.
    package func download(
        _ request: DownloadRequest
    ) async throws(TransferError) -> DownloadOutcome {
        var urls: [TransferURL] = []
        for mirror in request.mirrors { urls.append(try TransferURL(mirror)) }
        urls = try withoutOpenCircuits(urls, request)
        do {
            try Folder.make(Folder.parent(of: request.target))
        } catch {
            throw .disk(error)
        }
        var failures = [TransferError?](repeating: nil, count: urls.count)
        var plan = MirrorPlan(mirrorCount: urls.count, policy: settings.retry)
        var random = SystemRandomNumberGenerator()
        while true {
            let elapsed = Int((ContinuousClock.now - born) / .milliseconds(1))
            switch plan.next(random: &random, elapsedMilliseconds: elapsed) {
            case .attempt(let mirror):
                do {
                    let outcome = try await attempt(request, urls[mirror])
                    circuits?.note(urls[mirror], succeeded: true)
                    note(failures, urls)
                    return outcome
                } catch {
                    if error.isOurs { throw error }
                    let isFinal = error.isRetriedOnce && failures[mirror]?.isRetriedOnce == true
                    failures[mirror] = error
                    plan.failed(
                        isTransient: error.isTransient && !isFinal,
                        retryAfterSeconds: error.retryAfterSeconds
                    )
                }
            case .wait(let milliseconds):
                try await wait(milliseconds)
            case .giveUp:
                note(failures, urls)
                throw Self.summary(failures.compactMap { $0 })
            }
        }
    }

    /// The mirrors whose hosts may be asked; when none may, the first one's circuit is the error.
    private func withoutOpenCircuits(
        _ urls: [TransferURL],
        _ request: DownloadRequest
    ) throws(TransferError) -> [TransferURL] {
        guard let circuits, !request.ignoresCircuits else { return urls }
        var firstOpen: (url: TransferURL, secondsLeft: Int64)?
        var askable: [TransferURL] = []
        for url in urls {
            if let seconds = circuits.secondsLeft(url) {
                firstOpen = firstOpen ?? (url, seconds)
            } else {
                askable.append(url)
            }
        }
        guard let firstOpen, askable.isEmpty else { return askable }
        let error = TransferError.circuitOpen(
            url: firstOpen.url.redacted,
            secondsLeft: firstOpen.secondsLeft
        )
        onAttempt?(
            DownloadAttempt(
                mirror: firstOpen.url.redacted,
                result: error.code,
                status: 0,
                curlCode: 0,
                bytes: 0,
                source: request.source.isEmpty ? nil : request.source,
                microseconds: 0
            )
        )
        throw error
    }

    /// Takes note of the hosts that failed for a passing reason; a host that has no such file, or a
    /// wrong one, is well.
    private func note(_ failures: [TransferError?], _ urls: [TransferURL]) {
        for (url, failure) in zip(urls, failures) where failure?.isTransient == true {
            circuits?.note(url, succeeded: false)
        }
    }

    private func attempt(
        _ request: DownloadRequest,
        _ url: TransferURL
    ) async throws(TransferError) -> DownloadOutcome {
        let plan = AttemptPlan(request: request, url: url, settings: settings)
        let result = await thread.perform(plan)
        onAttempt?(result.report)
        log(result)
        return try result.outcome.get()
    }

    private func wait(_ milliseconds: Int) async throws(TransferError) {
        do {
            try await sleep(.milliseconds(milliseconds))
        } catch {
            throw .cancelled
        }
    }

    private static func summary(_ failures: [TransferError]) -> TransferError {
        switch failures.count {
        case 0: .invalidURL(url: "", reason: "the list of mirrors is empty")
        case 1: failures[0]
        default: .mirrorsFailed(failures)
        }
    }

    private func log(_ result: AttemptResult) {
        let report = result.report
        var metadata: Logger.Metadata = [
            "download.mirror": "\(report.mirror)",
            "download.source": "\(report.source ?? "")",
            "download.result": "\(report.result)",
            "download.bytes": "\(report.bytes)",
            "download.microseconds": "\(report.microseconds)",
        ]
        if let resumed = report.resumedBytes { metadata["download.resumed"] = "\(resumed)" }
        if let effective = report.effective, effective != report.mirror {
            metadata["download.effective"] = "\(effective)"
        }
        if let address = report.address { metadata["network.peer.address"] = "\(address)" }
        if report.status > 0 { metadata["http.response.status_code"] = "\(report.status)" }
        switch result.outcome {
        case .success:
            logger.info("download finished", metadata: metadata)
        case .failure(let error):
            metadata["download.error"] = "\(error)"
            metadata["download.curl_code"] = "\(report.curlCode)"
            logger.warning("download attempt failed", metadata: metadata)
        }
    }
}

extension TransferError {
    /// What a server asked for.
    fileprivate var retryAfterSeconds: Int? {
        if case .status(_, _, let seconds) = self { seconds } else { nil }
    }
}
