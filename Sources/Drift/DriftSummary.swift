/// The monitor at one moment, for `GET /drift` and reports.
package struct DriftSummary: Codable, Sendable, Equatable {
    /// The scored rows so far.
    package let rows: UInt64
    /// The evidence of all streams together, in nats.
    package let evidence: Double
    /// ln A, in nats.
    package let threshold: Double
    /// A, in scored rows.
    package let falseAlarmInterval: Double
    /// The operator's tolerance, in total variation.
    package let tolerance: Double
    /// The hold-out rows behind the reference.
    package let referenceRows: Int
    /// The live rows in the window of panes.
    package let windowRows: Int
    /// Alarms raised so far.
    package let alarmsRaised: UInt64
    /// The alarm that stands, if one does.
    package let alarm: DriftAlarm?
    /// What is said of the hours of the week; nil where the reference does not depend on them.
    package let season: Season?
    /// The streams in the profile's order.
    package let streams: [Stream]

    /// One stream; effect sizes are absent when the window is too small, or there is no order.
    package struct Stream: Codable, Sendable, Equatable {
        /// The name.
        package let name: String
        /// The family.
        package let kind: ReferenceStream.Kind
        /// Its own evidence, in nats.
        package let evidence: Double
        /// The tolerance and the sampling error, in total variation.
        package let tolerance: Double
        /// Whether it can never raise evidence, since the hold-out is too small.
        package let isBlind: Bool
        /// See ``EffectSize/populationStability``.
        package let populationStability: Double?
        /// See ``EffectSize/totalVariation``.
        package let totalVariation: Double?
        /// See ``EffectSize/jensenShannon``.
        package let jensenShannon: Double?
        /// See ``EffectSize/kolmogorovSmirnov``.
        package let kolmogorovSmirnov: Double?
        /// See ``EffectSize/wasserstein``.
        package let wasserstein: Double?
        /// See ``EffectSize/totalVariationLowerBound``.
        package let totalVariationLowerBound: Double?
        /// The live rows behind the effect sizes.
        package let windowRows: Int
        /// Unusual values since the start.
        package let quality: QualityCounts

        private enum CodingKeys: String, CodingKey {
            case name
            case kind
            case evidence = "evidence_nats"
            case tolerance
            case isBlind = "is_blind"
            case populationStability = "psi"
            case totalVariation = "tv"
            case jensenShannon = "js"
            case kolmogorovSmirnov = "ks"
            case wasserstein
            case totalVariationLowerBound = "tv_lower"
            case windowRows = "window_rows"
            case quality
        }
    }

    /// A reference that depends on the hour of the week.
    package struct Season: Codable, Sendable, Equatable {
        /// The data's column that told the hours.
        package let column: String
        /// The group of hours in force, from 0.
        package let group: Int
        /// The hold-out rows of each group.
        package let holdoutRows: [Int]
        /// The group of each hour of the week, from Monday, 00:00 UTC.
        package let groupOfHour: [UInt8]
        /// The streams whose shares depend on the group.
        package let streams: [String]

        private enum CodingKeys: String, CodingKey {
            case column, group, streams
            case holdoutRows = "holdout_rows"
            case groupOfHour = "group_of_hour"
        }
    }

    private enum CodingKeys: String, CodingKey {
        case rows
        case evidence = "evidence_nats"
        case threshold = "threshold_nats"
        case falseAlarmInterval = "false_alarm_interval"
        case tolerance
        case referenceRows = "reference_rows"
        case windowRows = "window_rows"
        case alarmsRaised = "alarms_raised"
        case alarm
        case season
        case streams
    }
}

extension DriftMonitor {
    /// What can be said at this moment.
    package var summary: DriftSummary {
        DriftSummary(
            rows: rows,
            evidence: evidence,
            threshold: threshold,
            falseAlarmInterval: settings.falseAlarmInterval,
            tolerance: settings.tolerance,
            referenceRows: profile.holdoutRows,
            windowRows: windowRows,
            alarmsRaised: alarmsRaised,
            alarm: alarm,
            season: profile.seasons.map { seasons in
                DriftSummary.Season(
                    column: seasons.column,
                    group: season,
                    holdoutRows: seasons.groups.map(\.holdoutRows),
                    groupOfHour: seasons.groupOfHour,
                    streams: profile.streams.indices.filter { seasons.isSeasonal[$0] }
                        .map { profile.streams[$0].name }
                )
            },
            streams: profile.streams.indices.map { streamSummary($0) }
        )
    }

    private func streamSummary(_ index: Int) -> DriftSummary.Stream {
        let effect = effectSize(ofStream: index)
        return DriftSummary.Stream(
            name: profile.streams[index].name,
            kind: profile.streams[index].kind,
            evidence: evidence(ofStream: index),
            tolerance: tolerance(ofStream: index),
            isBlind: isBlind(stream: index),
            populationStability: finite(effect.populationStability),
            totalVariation: finite(effect.totalVariation),
            jensenShannon: finite(effect.jensenShannon),
            kolmogorovSmirnov: finite(effect.kolmogorovSmirnov),
            wasserstein: finite(effect.wasserstein),
            totalVariationLowerBound: finite(effect.totalVariationLowerBound),
            windowRows: effect.rows,
            quality: quality(ofStream: index)
        )
    }

    private func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
}
