/// How a candidate is let in step by step.
package struct StagingSettings: Sendable, Equatable {
    /// Rows that the candidate computes in the shadow before it answers any; 0 leaves that out.
    package var shadowRows = 500
    /// Seconds that the shadow lasts at least.
    package var shadowSeconds = 0.0
    /// The share of requests of which the candidate computes a row, too, 0…1.
    package var shadowShare = 0.1
    /// The least share of rows that must get the same class from both; 0 asks for none.
    package var agreementMin = 0.0
    /// Rows that the candidate answers before it answers all.
    package var canaryRows = 2000
    /// Seconds that the canary lasts at least.
    package var canarySeconds = 0.0
    /// Labels of the candidate's rows that must have come.
    package var canaryLabels = 0
    /// The share of clients that the candidate answers, 0…1.
    package var canaryShare = 0.1
    /// The lower-case name of the field by whose value a client always gets the same version; empty
    /// for none.
    package var stickyField = ""
    /// The greatest share of requests that the candidate may fail, unless the stable version fails
    /// half as many.
    package var failureShareMax = 0.01
    /// How many times as long as the stable version the candidate may compute a row.
    package var latencyFactorMax = 3.0
    /// By how much more of its labelled rows may be wrong than of the stable version's.
    package var feedbackMargin = 0.02
    /// The chance that labels take back a candidate which keeps that margin.
    package var feedbackChance = 0.01
    /// Whether an alarm of the candidate's own drift monitor takes it back.
    package var watchesDrift = true
    /// Seconds that a version is watched after it answers everybody; 0 for not at all.
    package var watchSeconds = 86_400.0
    /// The share of requests of which the version before computes a row, too, meanwhile, 0…1.
    package var watchShare = 0.1
    /// Whether versions are watched that answered everybody at once.
    package var watchesImmediate = false

    /// The settings as they are when nothing is configured.
    package init() {}
}

/// What is known of a candidate in its present stage.
package struct ReleaseEvidence: Sendable, Equatable {
    /// Seconds in the stage.
    package var seconds = 0.0
    /// Rows that the candidate has computed in the stage.
    package var rows = 0
    /// Requests that it answered or failed.
    package var requests = 0
    /// Those of them that it failed without the client's fault.
    package var faults = 0
    /// The same of the stable version.
    package var stableRequests = 0
    /// The same of the stable version.
    package var stableFaults = 0
    /// Nanoseconds that a row took to compute; nil while there are too few.
    package var rowNanoseconds: Double?
    /// The same of the stable version.
    package var stableRowNanoseconds: Double?
    /// Rows of the shadow that got the same class from both; nil for a regression.
    package var agreeing: Int?
    /// Labels of rows that the candidate answered.
    package var labels = 0
    /// Whether labels say that it errs too much more often.
    package var isWorse = false
    /// Whether its own drift monitor has raised an alarm.
    package var isDrifting = false

    /// Nothing is known yet.
    package init() {}
}

/// Why a candidate's stage changes: the values of a label.
package enum ReleaseReason: String, CaseIterable, Sendable {
    /// Enough rows, time and labels without a complaint.
    case passed
    /// It failed too many requests.
    case errors
    /// It computes too slowly.
    case latency
    /// Its inputs or answers have left its own reference.
    case drift
    /// Labels say that it is wrong more often.
    case feedback
    /// It agrees too seldom with the stable version.
    case agreement
    /// It did not pass its checks when it was loaded.
    case invalid
    /// A person, or another process, has decided.
    case `operator`
}

/// Decides on a candidate by what is known of it.
package struct ReleaseRule: Sendable {
    /// What the configuration says.
    package let settings: StagingSettings

    /// Takes the settings.
    package init(_ settings: StagingSettings) { self.settings = settings }

    /// What is to be done.
    package enum Decision: Sendable, Equatable {
        /// Nothing yet.
        case wait
        /// The next stage, or the end of the release, has come.
        case forward(String)
        /// The candidate is taken back.
        case back(ReleaseReason, String)
    }

    /// Failures below which no share means anything.
    package static let faultsMin = 3
    /// Differences below which nobody is served more slowly, in nanoseconds a row.
    package static let latencyNanosecondsMin = 50_000.0
    /// Rows of each version below which no time means anything.
    package static let timedRowsMin = 100

    /// Decides; what speaks against the candidate counts before what speaks for it.
    ///
    /// - Parameters:
    ///   - isShadow: Whether the candidate is in the shadow, or a canary.
    ///   - evidence: What is known of the stage.
    /// - Returns: What is to be done.
    package func decide(isShadow: Bool, _ evidence: ReleaseEvidence) -> Decision {
        against(evidence, "the stable version")
            ?? (isShadow ? shadow(evidence) : canary(evidence))
    }

    /// Decides on a version that answers everybody.
    ///
    /// - Parameters:
    ///   - evidence: What is known of it since then, and of the version before.
    ///   - previous: The version before, which would answer in its place.
    /// - Returns: What is to be done; the end of the watch is forward.
    package func watch(_ evidence: ReleaseEvidence, previous: Int) -> Decision {
        if let back = against(evidence, "version \(previous)") { return back }
        guard evidence.seconds >= settings.watchSeconds else { return .wait }
        return .forward("\(evidence.rows) rows answered, \(evidence.labels) labels compared")
    }

    private func against(_ evidence: ReleaseEvidence, _ other: String) -> Decision? {
        let share = Double(evidence.faults) / Double(max(1, evidence.requests))
        let stable = Double(evidence.stableFaults) / Double(max(1, evidence.stableRequests))
        if evidence.faults >= Self.faultsMin, share > max(settings.failureShareMax, 2 * stable) {
            return .back(
                .errors,
                "\(evidence.faults) of \(evidence.requests) requests failed, of \(other)'s "
                    + "\(evidence.stableFaults) of \(evidence.stableRequests)"
            )
        }
        if let ours = evidence.rowNanoseconds, let theirs = evidence.stableRowNanoseconds,
            ours > theirs * settings.latencyFactorMax, ours - theirs > Self.latencyNanosecondsMin
        {
            return .back(
                .latency,
                "a row takes \(Int(ours / 1000)) µs, of \(other) \(Int(theirs / 1000))"
            )
        }
        if evidence.isDrifting, settings.watchesDrift {
            return .back(.drift, "live rows have left the candidate's own reference")
        }
        if evidence.isWorse {
            return .back(
                .feedback,
                "after \(evidence.labels) labels: wrong more often than \(other) by more than "
                    + "\(settings.feedbackMargin)"
            )
        }
        return nil
    }

    private func shadow(_ evidence: ReleaseEvidence) -> Decision {
        guard evidence.rows >= settings.shadowRows, evidence.seconds >= settings.shadowSeconds
        else { return .wait }
        let agreement = evidence.agreeing.map { Double($0) / Double(max(1, evidence.rows)) }
        if let agreement, agreement < settings.agreementMin {
            return .back(
                .agreement,
                "\(percent(agreement)) of \(evidence.rows) rows got the same class from both, at "
                    + "least \(percent(settings.agreementMin)) are asked for"
            )
        }
        let words = agreement.map { ", \(percent($0)) of the same class" } ?? ""
        return .forward("\(evidence.rows) rows in the shadow\(words)")
    }

    private func canary(_ evidence: ReleaseEvidence) -> Decision {
        guard evidence.rows >= settings.canaryRows, evidence.seconds >= settings.canarySeconds,
            evidence.labels >= settings.canaryLabels
        else { return .wait }
        return .forward("\(evidence.rows) rows answered, \(evidence.labels) labels")
    }

    private func percent(_ share: Double) -> String {
        "\((share * 1000).rounded() / 10) %"
    }
}
