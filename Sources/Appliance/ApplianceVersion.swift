internal import Transfer

/// Which build this is.
package enum ApplianceVersion {
    /// The version by semantic versioning; the newest heading of CHANGELOG.md.
    package static let text = "0.1.0"
    /// The revision of the sources, where the build knows it.
    static let revision = "unknown"
    /// The libcurl at run time.
    static var libcurl: String { number(TransferLibrary.version) }

    /// The first word with a digit at its beginning or behind a slash: `3.0.22` of
    /// `OpenSSL 3.0.22 9 Jun 2026`, `7.88.1` of `libcurl/7.88.1 OpenSSL/3.0.22`.
    static func number(_ banner: String) -> String {
        let words = banner.split { $0 == " " || $0 == "/" }
        return words.first { $0.first?.isNumber ?? false }.map(String.init) ?? banner
    }
}
