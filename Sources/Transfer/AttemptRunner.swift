internal import CCurl
internal import Digest
internal import Files

/// One attempt at one mirror, ready to run.
struct AttemptPlan: Sendable {
    let request: DownloadRequest
    let url: TransferURL
    let settings: DownloadSettings

    var bytesMax: Int { max(1, min(request.bytesMax ?? .max, settings.limits.bytesMax)) }
}

/// What one attempt came to.
struct AttemptResult: Sendable {
    let outcome: Result<DownloadOutcome, TransferError>
    let report: DownloadAttempt
}

/// Runs attempts on the one reused handle of the transfer thread, from the request on the wire to
/// the file in its place.
struct AttemptRunner: ~Copyable {
    private var easy: CurlEasy
    private let multi: CurlMulti
    private var received = 0
    private var curlCode = CURLE_OK

    init(_ multi: CurlMulti) throws(TransferError) {
        easy = try CurlEasy()
        self.multi = multi
    }

    /// Runs one attempt to its end.
    mutating func run(_ plan: AttemptPlan, isCancelled: () -> Bool) -> AttemptResult {
        let start = ContinuousClock.now
        (received, curlCode) = (0, CURLE_OK)
        let outcome: Result<DownloadOutcome, TransferError>
        do {
            outcome = .success(try attempt(plan, isCancelled))
        } catch {
            outcome = .failure(error)
        }
        let elapsed = ContinuousClock.now - start
        let report = DownloadAttempt(
            mirror: plan.url.redacted,
            result: outcome.word,
            status: easy.number(CURLINFO_RESPONSE_CODE),
            curlCode: Int(curlCode.rawValue),
            bytes: received,
            microseconds: Int(elapsed / .microseconds(1))
        )
        return AttemptResult(outcome: outcome, report: report)
    }

    private mutating func attempt(
        _ plan: AttemptPlan,
        _ isCancelled: () -> Bool
    ) throws(TransferError) -> DownloadOutcome {
        try checkSource(plan.url)
        let record = DownloadRecord.read(for: plan.request.target)
        if let record, let validators = usableValidators(record, plan) {
            let sink = try fetch(plan, validators, isCancelled)
            guard easy.number(CURLINFO_RESPONSE_CODE) == 304 else {
                return try publish(sink, plan, record)
            }
            // Believed only of a copy that is still the one that was downloaded.
            if FileFacts.digest(of: plan.request.target) == record.sha256 {
                return try confirm(plan, record)
            }
        }
        let sink = try fetch(plan, DownloadRecord.Validators(), isCancelled)
        return try publish(sink, plan, record)
    }

    /// Refuses what only looks like a file: libcurl would wait for ever on a pipe.
    private func checkSource(_ url: TransferURL) throws(TransferError) {
        guard let path = url.filePath else { return }
        guard FileFacts.regularFileBytes(path) == nil else { return }
        let reason = Folder.exists(path) ? "it is no regular file" : "there is no such file"
        throw .failed(.sourceUnreadable, url: url.redacted, detail: reason)
    }

    private func usableValidators(
        _ record: DownloadRecord,
        _ plan: AttemptPlan
    ) -> DownloadRecord.Validators? {
        guard
            let validators = record.mirrors[plan.url.text], !validators.headerLines.isEmpty,
            record.bytes <= plan.bytesMax,
            FileFacts.regularFileBytes(plan.request.target) == record.bytes
        else { return nil }
        return validators
    }

    /// One request and its answer; returns when the answer is one to go on with.
    private mutating func fetch(
        _ plan: AttemptPlan,
        _ validators: DownloadRecord.Validators,
        _ isCancelled: () -> Bool
    ) throws(TransferError) -> DownloadSink {
        let sink = DownloadSink(plan)
        let headers = try CurlList(validators.headerLines)
        easy.reset()
        easy.apply(plan)
        easy.set(CURLOPT_HTTPHEADER, headers)
        easy.deliverBody(to: sink)
        try easy.check("prepare the transfer of \(plan.url.redacted)")
        let result = multi.run(easy, isCancelled: isCancelled)
        // The handle must not keep what is about to go away.
        easy.set(CURLOPT_HTTPHEADER, nil)
        received += sink.receivedBytes
        guard let result else { throw .cancelled }
        curlCode = result
        let status = easy.number(CURLINFO_RESPONSE_CODE)
        if let failure = sink.failure { throw failure }
        if result != CURLE_OK && status < 400 {
            let detail = easy.explain(result)
            throw .curl(
                result,
                status: status,
                detail: detail,
                url: plan.url,
                bytesMax: plan.bytesMax
            )
        }
        try checkStatus(status, plan, isConditional: !validators.headerLines.isEmpty)
        if !plan.request.allowsUnknownLength { try checkFraming(status, plan) }
        return sink
    }

    /// Refuses a body that ended with the connection: nobody can tell whether it is whole.
    ///
    /// libcurl takes the end of a TCP connection without a TLS close for the end of the data.
    private func checkFraming(_ status: Int, _ plan: AttemptPlan) throws(TransferError) {
        let version = easy.number(CURLINFO_HTTP_VERSION)
        guard
            status == 200,
            version == Int(CURL_HTTP_VERSION_1_0) || version == Int(CURL_HTTP_VERSION_1_1),
            easy.largeNumber(CURLINFO_CONTENT_LENGTH_DOWNLOAD_T) < 0,
            easy.field("Transfer-Encoding") == nil
        else { return }
        let detail = "the answer has neither a length nor chunks, so that a cut would not be seen"
        throw .failed(.lengthUnknown, url: plan.url.redacted, detail: detail)
    }

    private func checkStatus(
        _ status: Int,
        _ plan: AttemptPlan,
        isConditional: Bool
    ) throws(TransferError) {
        if plan.url.scheme == .file || status == 200 { return }
        if status == 304 {
            if isConditional { return }
            let detail = "it answered 304 (not modified) although it was not asked that"
            throw .failed(.answerUnexpected, url: plan.url.redacted, detail: detail)
        }
        let seconds = easy.largeNumber(CURLINFO_RETRY_AFTER)
        throw .status(
            status,
            url: plan.url.redacted,
            retryAfterSeconds: seconds > 0 ? seconds : nil
        )
    }

    /// Puts the file that came in the target's place, after the caller's check.
    private func publish(
        _ sink: DownloadSink,
        _ plan: AttemptPlan,
        _ previous: DownloadRecord?
    ) throws(TransferError) -> DownloadOutcome {
        let temporary = try sink.finishedFile()
        let digest = try temporary.finish()
        try check(temporary.path, plan)
        do {
            try temporary.publish(to: plan.request.target)
        } catch {
            throw .disk(error)
        }
        let isSame = previous?.sha256 == digest
        let record = DownloadRecord(
            bytes: temporary.bytes,
            sha256: digest,
            contentEncoding: easy.field("Content-Encoding"),
            mirrors: isSame ? previous?.mirrors ?? [:] : [:]
        )
        let file = try remember(record, plan)
        return isSame ? .unchanged(file) : .downloaded(file)
    }

    /// Keeps the file there is, after the caller's check.
    private func confirm(
        _ plan: AttemptPlan,
        _ record: DownloadRecord
    ) throws(TransferError) -> DownloadOutcome {
        try check(plan.request.target, plan)
        return .unchanged(try remember(record, plan))
    }

    private func check(_ path: String, _ plan: AttemptPlan) throws(TransferError) {
        do {
            try plan.request.check?(path)
        } catch {
            throw .refused(url: plan.url.redacted, reason: "\(error)")
        }
    }

    /// Writes the record with what this mirror just said, if that is anything new.
    private func remember(
        _ record: DownloadRecord,
        _ plan: AttemptPlan
    ) throws(TransferError) -> DownloadedFile {
        var updated = record
        var validators = record.mirrors[plan.url.text] ?? DownloadRecord.Validators()
        // A 304 may leave out what it has said before.
        validators.etag = Self.printable(easy.field("ETag")) ?? validators.etag
        validators.lastModified =
            Self.printable(easy.field("Last-Modified")) ?? validators.lastModified
        updated.mirrors[plan.url.text] = validators
        updated.mirrors = updated.mirrors.filter { plan.request.mirrors.contains($0.key) }
        if updated != DownloadRecord.read(for: plan.request.target) {
            try updated.write(for: plan.request.target)
        }
        return DownloadedFile(
            path: plan.request.target,
            bytes: updated.bytes,
            sha256: updated.sha256,
            mirror: plan.url.text,
            etag: validators.etag,
            lastModified: validators.lastModified,
            contentEncoding: updated.contentEncoding
        )
    }

    /// A server's text that may be sent back in a header; nil when it may not.
    fileprivate static func printable(_ text: String?) -> String? {
        guard let text, !text.isEmpty, text.utf8.count <= 1024 else { return nil }
        return text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } ? text : nil
    }
}

extension Result<DownloadOutcome, TransferError> {
    /// The word for labels and logs.
    fileprivate var word: String {
        switch self {
        case .success(.downloaded): "downloaded"
        case .success(.unchanged): "unchanged"
        case .failure(let error): error.code
        }
    }
}

extension DownloadRecord.Validators {
    /// The headers that ask for the body only if it is another one (RFC 9110 §13.1).
    fileprivate var headerLines: [String] {
        if let etag = AttemptRunner.printable(etag) { return ["If-None-Match: \(etag)"] }
        guard let lastModified = AttemptRunner.printable(lastModified) else { return [] }
        return ["If-Modified-Since: \(lastModified)"]
    }
}
