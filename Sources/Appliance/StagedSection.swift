internal import Serving

/// How the section of the staged release is read.
extension StagingSettings {
    init(_ section: inout SettingsSection) {
        self.init()
        (shadowRows, shadowSeconds, shadowShare, agreementMin) = Self.shadow(&section)
        (canaryRows, canarySeconds, canaryLabels, canaryShare) = Self.canary(&section)
        stickyField = section.string(
            "sticky_header",
            doc:
                "header whose value decides who meets the canary; else the key, else the request id"
        ).lowercased()
        (failureShareMax, latencyFactorMax, feedbackMargin, feedbackChance) = Self.limits(&section)
        watchesDrift = section.flag(
            "on_drift",
            default: true,
            doc: "an alarm of the candidate's own drift monitor takes it back"
        )
        (watchSeconds, watchShare, watchesImmediate) = Self.watch(&section)
        let isName = stickyField.utf8.allSatisfy {
            ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2D
        }
        if !isName {
            section.report("expected letters, digits and '-'", key: "sticky_header")
        }
        section.finish()
    }

    private static func shadow(_ section: inout SettingsSection) -> (
        rows: Int, seconds: Double, share: Double, agreementMin: Double
    ) {
        (
            section.integer(
                "shadow_rows",
                default: 500,
                in: 0...1_000_000_000,
                doc:
                    "rows that the candidate computes unseen before it answers any; 0 leaves that out"
            ),
            section.number(
                "shadow_seconds",
                default: 0,
                in: 0...31_536_000,
                doc: "seconds that this lasts at least"
            ),
            section.number(
                "shadow_share",
                default: 0.1,
                in: 0.0001...1,
                doc: "share of requests of which the candidate computes a row, too"
            ),
            section.number(
                "agreement_min",
                default: 0,
                in: 0...1,
                doc: "least share of those rows that must get the same class from both"
            )
        )
    }

    private static func canary(_ section: inout SettingsSection) -> (
        rows: Int, seconds: Double, labels: Int, share: Double
    ) {
        (
            section.integer(
                "canary_rows",
                default: 2000,
                in: 0...1_000_000_000,
                doc: "rows that the candidate answers before it answers all"
            ),
            section.number(
                "canary_seconds",
                default: 0,
                in: 0...31_536_000,
                doc: "seconds that this lasts at least"
            ),
            section.integer(
                "canary_labels",
                default: 0,
                in: 0...1_000_000_000,
                doc: "labels of those rows that must have come by POST /feedback"
            ),
            section.number(
                "canary_share",
                default: 0.1,
                in: 0.0001...0.99,
                doc: "share of clients that the candidate answers"
            )
        )
    }

    private static func watch(_ section: inout SettingsSection) -> (
        seconds: Double, share: Double, immediate: Bool
    ) {
        (
            section.number(
                "watch_seconds",
                default: 86_400,
                in: 0...31_536_000,
                doc:
                    "seconds after the canary in which the version before takes over if this one fails"
            ),
            section.number(
                "watch_share",
                default: 0.1,
                in: 0.0001...1,
                doc: "share of requests of which the version before computes a row, too, meanwhile"
            ),
            section.flag(
                "watch_immediate",
                default: false,
                doc: "versions are watched after release: immediate, too"
            )
        )
    }

    private static func limits(_ section: inout SettingsSection) -> (
        failures: Double, latency: Double, margin: Double, chance: Double
    ) {
        (
            section.number(
                "failure_share_max",
                default: 0.01,
                in: 0...1,
                doc:
                    "greatest share of failed requests, unless the stable version fails half as many"
            ),
            section.number(
                "latency_factor_max",
                default: 3,
                in: 1...1000,
                doc: "how many times as long as the stable version a row may take"
            ),
            section.number(
                "feedback_margin",
                default: 0.02,
                in: 0...0.9,
                doc:
                    "by how much more of its labelled rows may be wrong than of the stable version's"
            ),
            section.number(
                "feedback_chance",
                default: 0.01,
                in: 1e-9...0.5,
                doc: "chance that labels take back a candidate which keeps that margin"
            )
        )
    }
}
