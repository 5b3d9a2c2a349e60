/// How the section `tls` is read.
extension CertificateSettings {
    init(_ section: inout SettingsSection) {
        files = Self.files(&section)
        ocspResponses = section.texts(
            "ocsp_responses",
            doc: "OCSP responses in DER about the certificates, stapled until they end"
        )
        unknownName = section.choice(
            "unknown_name",
            default: UnknownName.serve,
            doc: "asked for a name that no certificate is for: serve the first one, or refuse"
        )
        clientAuthorities = section.optionalString(
            "client_ca",
            doc: "authorities in PEM whose client certificates are demanded for all but health"
        )
        clientNames = section.texts(
            "client_names",
            doc: "alternative names of which a client certificate must have one; empty for any"
        )
        names = section.texts(
            "names",
            doc: "names in the development certificate besides localhost"
        )
        profile = section.choice(
            "profile",
            default: Profile.intermediate,
            doc: "Mozilla's terms: intermediate (TLS 1.2 and 1.3) or modern (TLS 1.3)"
        )
        (ticketRotationSeconds, sessionSecondsMax) = Self.sessions(&section)
        (handshakeSecondsMax, handshakesMax) = Self.handshakes(&section)
        watchSeconds = section.integer(
            "watch_seconds",
            default: 5,
            in: 0...86_400,
            doc: "seconds between looks whether the files have changed; 0 looks at SIGHUP only"
        )
        if clientAuthorities == nil && !clientNames.isEmpty {
            section.report("needs client_ca beside it", key: "client_names")
        }
        section.finish()
    }

    private static func sessions(
        _ section: inout SettingsSection
    ) -> (rotationSeconds: Int, secondsMax: Int) {
        let rotation = section.integer(
            "ticket_rotation_seconds",
            default: 43_200,
            in: 60...604_800,
            doc: "seconds after which session tickets are sealed with a new key"
        )
        let longest = section.integer(
            "session_seconds_max",
            default: 7200,
            in: 1...604_800,
            doc: "seconds for which a session can be resumed"
        )
        return (rotation, longest)
    }

    private static func handshakes(
        _ section: inout SettingsSection
    ) -> (secondsMax: Int, countMax: Int) {
        let seconds = section.integer(
            "handshake_seconds_max",
            default: 10,
            in: 1...3600,
            doc: "seconds that a handshake may take, its time in line included"
        )
        let count = section.integer(
            "handshakes_max",
            default: 256,
            in: 1...1_000_000,
            doc: "handshakes of a listener that go on at once; others wait in line"
        )
        return (seconds, count)
    }

    /// The pairs of certificate and key; `auto` alone stands for the development certificate.
    private static func files(_ section: inout SettingsSection) -> [CertificateFiles] {
        let chains = section.texts(
            "certificate",
            default: ["auto"],
            doc: "certificate chains in PEM, the one for unknown names first; auto makes a "
                + "development authority in the state directory"
        )
        let keys = section.texts("key", doc: "private keys in PEM, one for each certificate")
        if chains == ["auto"] {
            if !keys.isEmpty { section.report("needs a certificate file beside it", key: "key") }
            return []
        }
        if chains.contains("auto") || chains.isEmpty {
            section.report("expected auto alone, or files", key: "certificate")
        } else if keys.count != chains.count {
            section.report("is required for each certificate, in their order", key: "key")
        }
        return zip(chains, keys).map { CertificateFiles(certificate: $0, key: $1) }
    }
}
