internal import CCurl
internal import Glibc

/// The state that libcurl keeps once for the whole process.
package enum TransferLibrary {
    /// Prepares libcurl, and makes the process ignore SIGPIPE; later calls do nothing.
    ///
    /// Call it early in `main`, and after OpenSSL was initialised with `OPENSSL_INIT_NO_ATEXIT`:
    /// else OpenSSL's exit handler runs while transfer threads are still alive. SIGPIPE is ignored
    /// because OpenSSL writes to sockets with `write`, and we tell libcurl to leave signals alone.
    ///
    /// - Throws: ``TransferError/library(operation:reason:)``.
    package static func initialise() throws(TransferError) {
        guard globalResult == CURLE_OK else {
            throw .library(operation: "start libcurl", reason: CurlEasy.words(globalResult))
        }
    }

    /// The version of libcurl at run time with its TLS library, for the build information.
    package static let version: String =
        unsafe curl_version().map { unsafe String(cString: $0) } ?? ""

    // A lazy global is initialised once, whichever thread comes first.
    private static let globalResult: CURLcode = {
        _ = signal(SIGPIPE, SIG_IGN)
        return curl_global_init(Int(CURL_GLOBAL_DEFAULT))
    }()
}
