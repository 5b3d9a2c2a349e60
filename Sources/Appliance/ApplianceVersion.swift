internal import Transfer

/// Which build this is.
package enum ApplianceVersion {
    /// The version by semantic versioning; the newest heading of CHANGELOG.md.
    package static let text = "0.1.0"
    /// The revision of the sources, where the build knows it.
    static let revision = "unknown"
    /// The libcurl at run time.
    static var libcurl: String { TransferLibrary.version }
}
