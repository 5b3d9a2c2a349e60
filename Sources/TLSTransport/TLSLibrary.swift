internal import COpenSSL

/// The system's OpenSSL as a whole.
package enum TLSLibrary {
    /// Sets the library up; the first call counts, the others do nothing.
    ///
    /// OpenSSL's clean-up at exit races with threads that still run, so it is switched off. That
    /// works only when nobody else set the library up before: call this first in `main`, before
    /// libcurl is set up.
    package static func initialise() { _ = once }

    /// The version of the library that is loaded, which may differ from the one built against.
    package static var version: String {
        // Bounds: the library gives a zero-ended constant text.
        unsafe OpenSSL_version(OPENSSL_VERSION).map { unsafe String(cString: $0) } ?? "unknown"
    }

    private static let once: Int32 = OPENSSL_init_ssl(
        UInt64(OPENSSL_INIT_NO_ATEXIT),
        nil
    )
}
