internal import CCurl

extension TransferError {
    /// Turns libcurl's code for a failed transfer into ours.
    ///
    /// - Parameters:
    ///   - code: Not `CURLE_OK`.
    ///   - status: The status of the last answer; zero for none.
    ///   - detail: libcurl's explanation.
    ///   - url: Where the transfer went.
    ///   - bytesMax: The size limit it had.
    /// - Returns: The error.
    static func curl(
        _ code: CURLcode,
        status: Int,
        detail: String,
        url: TransferURL,
        bytesMax: Int
    ) -> TransferError {
        switch code {
        case CURLE_FILESIZE_EXCEEDED:
            .tooLarge(url: url.redacted, bytesMax: bytesMax)
        case CURLE_OPERATION_TIMEDOUT:
            // libcurl has one code for both; only its words tell them apart.
            .failed(
                detail.contains("too slow") ? .stalled : .timedOut,
                url: url.redacted,
                detail: detail
            )
        case CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT, CURLE_LOGIN_DENIED:
            // The first URL was checked beforehand, so these are of a redirect, if there was one.
            .failed(
                (300..<400).contains(status) ? .redirectRefused : .answerUnexpected,
                url: url.redacted,
                detail: detail
            )
        default:
            .failed(failures[code.rawValue] ?? .other, url: url.redacted, detail: detail)
        }
    }

    private static let failures: [UInt32: TransferFailure] = {
        let groups: [(TransferFailure, [CURLcode])] = [
            (.hostUnresolved, [CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY]),
            (.hostUnreachable, [CURLE_COULDNT_CONNECT, CURLE_PROXY]),
            (.tlsFailed, [CURLE_SSL_CONNECT_ERROR]),
            (.pinMismatch, [CURLE_SSL_PINNEDPUBKEYNOTMATCH]),
            (.certificateRefused, [CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR]),
            (.caUnreadable, [CURLE_SSL_CACERT_BADFILE]),
            (
                .interrupted,
                [
                    CURLE_PARTIAL_FILE, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING,
                    CURLE_HTTP2, CURLE_HTTP2_STREAM,
                ]
            ),
            (.redirectsTooMany, [CURLE_TOO_MANY_REDIRECTS]),
            (.sourceUnreadable, [CURLE_FILE_COULDNT_READ_FILE, CURLE_READ_ERROR]),
            (.answerUnexpected, [CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING]),
        ]
        let pairs = groups.flatMap { failure, codes in codes.map { ($0.rawValue, failure) } }
        return Dictionary(pairs) { first, _ in first }
    }()
}
