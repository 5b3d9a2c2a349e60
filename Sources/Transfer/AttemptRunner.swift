internal import CCurl
internal import Digest
internal import Files

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
    private var resumed: Int?
    private var curlCode = CURLE_OK

    init(_ multi: CurlMulti) throws(TransferError) {
        easy = try CurlEasy()
        self.multi = multi
    }

    /// Runs one attempt to its end.
    mutating func run(_ plan: AttemptPlan, isCancelled: () -> Bool) -> AttemptResult {
        let start = ContinuousClock.now
        (received, resumed, curlCode) = (0, nil, CURLE_OK)
        // What is told of an attempt without a transfer is not of the one before.
        easy.reset()
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
            resumedBytes: resumed,
            source: plan.request.source.isEmpty ? nil : plan.request.source,
            microseconds: Int(elapsed / .microseconds(1)),
            effective: easy.text(CURLINFO_EFFECTIVE_URL).flatMap {
                $0.isEmpty ? nil : TransferURL.redact($0)
            },
            address: easy.text(CURLINFO_PRIMARY_IP).flatMap { $0.isEmpty ? nil : $0 }
        )
        return AttemptResult(outcome: outcome, report: report)
    }

    private mutating func attempt(
        _ plan: AttemptPlan,
        _ isCancelled: () -> Bool
    ) throws(TransferError) -> DownloadOutcome {
        try checkSource(plan.url)
        let record = DownloadRecord.read(for: plan.request.target)
        if let record, isCopied(record, plan) { return try confirm(plan, record) }
        if let sink = try fetchRest(plan, isCancelled) { return try publish(sink, plan, record) }
        if let record, let validators = usableValidators(record, plan) {
            let sink = DownloadSink(plan)
            try fetch(plan, validators.headerLines, sink, isCancelled)
            guard easy.number(CURLINFO_RESPONSE_CODE) == 304 else {
                return try publish(sink, plan, record)
            }
            // Believed only of a copy that is still the one that was downloaded.
            if FileFacts.digest(of: plan.request.target) == record.sha256 {
                return try confirm(plan, record)
            }
        }
        let sink = DownloadSink(plan)
        try fetch(plan, [], sink, isCancelled)
        return try publish(sink, plan, record)
    }

    /// Refuses what only looks like a file: libcurl would wait for ever on a pipe.
    private func checkSource(_ url: TransferURL) throws(TransferError) {
        guard let path = url.filePath else { return }
        guard FileFacts.regularFileBytes(path) == nil else { return }
        let reason = Folder.exists(path) ? "it is no regular file" : "there is no such file"
        throw .failed(.sourceUnreadable, url: url.redacted, detail: reason)
    }

    /// Whether a local file is the one that the target is a copy of, so that none need be made.
    private func isCopied(_ record: DownloadRecord, _ plan: AttemptPlan) -> Bool {
        guard let path = plan.url.filePath, record.bytes <= plan.bytesMax,
            FileFacts.regularFileBytes(path) == record.bytes,
            FileFacts.regularFileBytes(plan.request.target) == record.bytes
        else { return false }
        return FileFacts.digest(of: path) == record.sha256
            && FileFacts.digest(of: plan.request.target) == record.sha256
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

    /// Goes on with what an earlier attempt at this mirror left; nil when a whole file is to be
    /// fetched after all, because there is nothing left or the server has no rest of it.
    private mutating func fetchRest(
        _ plan: AttemptPlan,
        _ isCancelled: () -> Bool
    ) throws(TransferError) -> DownloadSink? {
        let target = plan.request.target
        guard let partial = PartialDownload.read(for: target), partial.url == plan.url.text,
            partial.bytes < plan.bytesMax,
            let file = try? TemporaryDownload(
                taking: PartialDownload.path(for: target),
                beside: target
            )
        else { return nil }
        PartialDownload.remove(for: target)
        resumed = partial.bytes
        let sink = DownloadSink(plan, partial, resuming: file)
        do {
            try fetch(plan, partial.headerLines, sink, isCancelled)
            return sink
        } catch {
            // 416: there are not so many bytes (RFC 9110 §15.5.17).
            let isGone = easy.number(CURLINFO_RESPONSE_CODE) == 416
            guard sink.isRestWrong || isGone else { throw error }
            resumed = nil
            return nil
        }
    }

    /// One request and its answer; returns when the answer is one to go on with.
    ///
    /// What came of a file whose transfer broke off is kept, if that can be gone on with.
    private mutating func fetch(
        _ plan: AttemptPlan,
        _ headers: [String],
        _ sink: DownloadSink,
        _ isCancelled: () -> Bool
    ) throws(TransferError) {
        do {
            let credentials = try RequestCredentials(plan.access, url: plan.url)
            try request(plan, plan.url, headers, credentials, sink, isCancelled)
            if !credentials.isEmpty, let next = try redirect(plan, credentials) {
                try request(plan, next, headers, RequestCredentials(), sink, isCancelled)
            }
            let isConditional = headers.contains {
                $0.hasPrefix("If-") && !$0.hasPrefix("If-Range")
            }
            try checkStatus(plan, isConditional: isConditional, isRest: resumed != nil)
            if !plan.request.allowsUnknownLength { try checkFraming(plan) }
        } catch {
            if error.isTransient || error == .cancelled { sink.suspend(easy.field("ETag")) }
            throw error
        }
    }

    /// One exchange; throws when there was none, or not a whole one.
    private mutating func request(
        _ plan: AttemptPlan,
        _ url: TransferURL,
        _ headers: [String],
        _ credentials: RequestCredentials,
        _ sink: DownloadSink,
        _ isCancelled: () -> Bool
    ) throws(TransferError) {
        let list = try CurlList(headers + credentials.headers)
        let resolve = try CurlList(plan.settings.resolve)
        easy.reset()
        easy.apply(plan, url, credentials)
        if !plan.settings.resolve.isEmpty { easy.set(CURLOPT_RESOLVE, resolve) }
        let addresses = plan.addressRule.map { AddressGuard($0) }
        if let addresses { easy.ask(addresses) }
        try easy.applyProxy(plan.settings)
        easy.set(CURLOPT_HTTPHEADER, list)
        easy.deliverBody(to: sink)
        try easy.check("prepare the transfer of \(plan.url.redacted)")
        let before = sink.receivedBytes
        let result = multi.run(easy, isCancelled: isCancelled)
        // The handle must not keep what is about to go away.
        easy.set(CURLOPT_HTTPHEADER, nil)
        easy.askNobody()
        // The callbacks have used it up to here.
        extendLifetime(addresses)
        received += sink.receivedBytes - before
        guard let result else { throw .cancelled }
        curlCode = result
        if let failure = sink.failure { throw failure }
        if result == CURLE_FILESIZE_EXCEEDED { throw plan.tooLarge }
        if result == CURLE_COULDNT_CONNECT || result == CURLE_ABORTED_BY_CALLBACK,
            let refused = addresses?.refused
        {
            throw .failed(.addressRefused, url: plan.url.redacted, detail: refused)
        }
        let status = easy.number(CURLINFO_RESPONSE_CODE)
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
    }

    /// Where the server sends us, if it does; what we know of it stays behind.
    private func redirect(
        _ plan: AttemptPlan,
        _ credentials: RequestCredentials
    ) throws(TransferError) -> TransferURL? {
        let status = easy.number(CURLINFO_RESPONSE_CODE)
        guard (300..<400).contains(status), status != 304,
            let text = easy.text(CURLINFO_REDIRECT_URL)
        else { return nil }
        func refusal(_ reason: String) -> TransferError {
            .failed(.redirectRefused, url: plan.url.redacted, detail: reason)
        }
        if credentials.bindsToHost {
            throw refusal("a source with pinned keys or a signature is nowhere else")
        }
        guard plan.settings.limits.redirectsMax > 0 else {
            throw refusal("no redirect is followed")
        }
        do {
            return try TransferURL(text, allowed: [.https])
        } catch {
            throw refusal("it redirects to where we do not go")
        }
    }

    /// Refuses a body that ended with the connection: nobody can tell whether it is whole.
    ///
    /// libcurl takes the end of a TCP connection without a TLS close for the end of the data.
    private func checkFraming(_ plan: AttemptPlan) throws(TransferError) {
        let status = easy.number(CURLINFO_RESPONSE_CODE)
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
        _ plan: AttemptPlan,
        isConditional: Bool,
        isRest: Bool
    ) throws(TransferError) {
        let status = easy.number(CURLINFO_RESPONSE_CODE)
        if plan.url.scheme == .file || status == 200 || (status == 206 && isRest) { return }
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
        try compare(temporary.bytes, digest, plan)
        try check(temporary.path, plan)
        let isSame = previous?.sha256 == digest
        // A file of the same bytes stays: what else has it by a second name then shares its room.
        if !isSame || FileFacts.digest(of: plan.request.target) != digest {
            do {
                try temporary.publish(to: plan.request.target)
            } catch {
                throw .disk(error)
            }
        }
        PartialDownload.remove(for: plan.request.target)
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
        try compare(record.bytes, record.sha256, plan)
        try check(plan.request.target, plan)
        return .unchanged(try remember(record, plan))
    }

    /// Compares a whole file with what it must be.
    private func compare(
        _ bytes: Int,
        _ sha256: Digest256,
        _ plan: AttemptPlan
    ) throws(TransferError) {
        guard let expected = plan.request.expected else { return }
        guard bytes == expected.bytes, sha256 == expected.sha256 else {
            let reason =
                "\(bytes) bytes with SHA-256 \(sha256) came, "
                + "the signed list has \(expected.bytes) with \(expected.sha256)"
            throw .refused(url: plan.url.redacted, reason: reason)
        }
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
        // A file has none, and a 304 may leave out what it has said before.
        if plan.url.scheme != .file {
            validators.etag = Self.printable(easy.field("ETag")) ?? validators.etag
            validators.lastModified =
                Self.printable(easy.field("Last-Modified")) ?? validators.lastModified
        }
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
