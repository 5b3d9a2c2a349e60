/// What this program was built from, exported as `leeway_build_info`.
package struct BuildInfo: Sendable, Equatable {
    /// The release, such as `1.0.0`.
    package let version: String
    /// The commit, or `unknown`.
    package let revision: String
    /// The version of the OpenSSL that is loaded, such as `3.0.22`.
    package let opensslVersion: String
    /// The version of the libcurl that is loaded, such as `7.88.1`.
    package let libcurlVersion: String

    /// Takes the versions as they are known to the caller.
    package init(
        version: String,
        revision: String,
        opensslVersion: String,
        libcurlVersion: String
    ) {
        self.version = version
        self.revision = revision
        self.opensslVersion = opensslVersion
        self.libcurlVersion = libcurlVersion
    }

    /// The version of the compiler, as far as the language lets a program know it.
    package static var swiftVersion: String {
        #if compiler(>=6.5)
            "6.5"
        #elseif compiler(>=6.4)
            "6.4"
        #elseif compiler(>=6.3)
            "6.3"
        #else
            "unknown"
        #endif
    }

    /// Declares the metric and sets it to 1.
    ///
    /// - Throws: ``TelemetryError`` when the name is taken.
    package func register(in registry: MetricRegistry) throws(TelemetryError) {
        try registry.info(
            "leeway_build_info",
            help: "What the program was built from; always 1.",
            labels: [
                "version", "revision", "swift_version", "openssl_version", "libcurl_version",
            ]
        )
        .state([version, revision, Self.swiftVersion, opensslVersion, libcurlVersion])
    }
}
