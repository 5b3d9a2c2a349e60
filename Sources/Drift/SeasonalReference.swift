internal import Features

/// The hold-out's shares by groups of hours of the week, for traffic that has a season.
///
/// Hours that are alike share a group, so that there are rows enough to know its shares by. A live
/// row is compared with the group of the hour in which it is scored. Streams that hardly differ from
/// hour to hour keep the shares of the whole hold-out, which are known better.
package struct SeasonalReference: Codable, Sendable, Equatable {
    /// The data's column that told the hours.
    package let column: String
    /// The group of each hour of the week (``HourOfWeek``).
    package let groupOfHour: [UInt8]
    /// For each of the profile's streams, whether its shares depend on the group.
    package let isSeasonal: [Bool]
    /// The groups.
    package let groups: [Group]

    /// Most groups.
    package static let groupsMax = 8

    /// What is known of some hours.
    package struct Group: Codable, Sendable, Equatable {
        /// The hold-out rows behind its shares.
        package let holdoutRows: Int
        /// The shares of the bins of each seasonal stream, stream after stream.
        package let shares: [Float]
        /// For each stream of the profile how far, in total variation, the shares that the group
        /// is compared with can be from the true ones (``SamplingError``).
        package let samplingErrors: [Float]
        /// For each stream of the profile how far, in total variation, the hours of the group seem
        /// to be from those shares.
        package let spreads: [Float]

        /// Puts together a group; it is checked when a profile takes it.
        package init(
            holdoutRows: Int,
            shares: [Float],
            samplingErrors: [Float],
            spreads: [Float]
        ) {
            self.holdoutRows = holdoutRows
            self.shares = shares
            self.samplingErrors = samplingErrors
            self.spreads = spreads
        }

        private enum CodingKeys: String, CodingKey {
            case shares, spreads
            case holdoutRows = "holdout_rows"
            case samplingErrors = "sampling_errors"
        }
    }

    /// Puts together groups; they are checked when a profile takes them.
    package init(column: String, groupOfHour: [UInt8], isSeasonal: [Bool], groups: [Group]) {
        self.column = column
        self.groupOfHour = groupOfHour
        self.isSeasonal = isSeasonal
        self.groups = groups
    }

    private enum CodingKeys: String, CodingKey {
        case column, groups
        case groupOfHour = "group_of_hour"
        case isSeasonal = "is_seasonal"
    }

    /// Refuses what contradicts itself or the streams.
    func validate(streams: [ReferenceStream]) throws(DriftError) {
        try require((1...Self.groupsMax).contains(groups.count), "\(groups.count) groups")
        try require(
            groupOfHour.count == HourOfWeek.count && groupOfHour.allSatisfy { $0 < groups.count },
            "an hour has no group"
        )
        try require(isSeasonal.count == streams.count, "its streams are not those of the profile")
        let bins = streams.indices.reduce(0) { $0 + (isSeasonal[$1] ? streams[$1].binCount : 0) }
        for group in groups {
            try require(group.holdoutRows >= 0, "a negative number of rows")
            try require(group.shares.count == bins, "shares and bins differ in number")
            try require(group.shares.allSatisfy { $0 > 0 && $0 < 1 }, "a share is not in 0...1")
            for errors in [group.samplingErrors, group.spreads] {
                try require(errors.count == streams.count, "errors and streams differ in number")
                try require(errors.allSatisfy { $0 >= 0 && $0 <= 1 }, "an error is not in 0...1")
            }
            var first = 0
            for stream in streams.indices where isSeasonal[stream] {
                let end = first + streams[stream].binCount
                let sum = group.shares[first..<end].reduce(0) { $0 + Double($1) }
                try require(abs(sum - 1) < 1e-5, "the shares do not sum to 1")
                first = end
            }
        }
    }

    private func require(_ holds: Bool, _ problem: String) throws(DriftError) {
        guard holds else { throw .profile(stream: "(seasons)", problem: problem) }
    }
}

extension ReferenceProfile {
    /// How many groups of hours it tells apart; 1 without a season.
    package var seasonCount: Int { seasons?.groups.count ?? 1 }

    /// What a stream is compared with in a group of hours.
    package func shares(ofStream stream: Int, season: Int) -> [Double] {
        guard let seasons, seasons.isSeasonal[stream], seasons.groups.indices.contains(season)
        else {
            return streams[stream].probabilities
        }
        var first = 0
        for index in 0..<stream where seasons.isSeasonal[index] { first += streams[index].binCount }
        return seasons.groups[season].shares[first..<first + streams[stream].binCount]
            .map { Double($0) }
    }

    /// How far, in total variation, the law of any hour of a group may be from those shares though
    /// nothing has changed: the sampling error and the spread of the hours.
    package func error(ofStream stream: Int, season: Int) -> Double {
        guard let seasons, seasons.groups.indices.contains(season) else {
            return streams[stream].samplingError
        }
        let group = seasons.groups[season]
        return Double(group.samplingErrors[stream]) + Double(group.spreads[stream])
    }

    /// What a stream of rows of several groups is compared with.
    ///
    /// - Parameters:
    ///   - stream: The stream.
    ///   - parts: The part that each group has in the rows; they sum to 1.
    /// - Returns: The shares, and the hold-out rows that know a law as well as these are known.
    package func mixture(
        ofStream stream: Int,
        parts: [Double]
    ) -> (shares: [Double], holdoutRows: Int) {
        let whole = streams[stream].probabilities
        guard let seasons, seasons.isSeasonal[stream], parts.count == seasons.groups.count else {
            return (whole, holdoutRows)
        }
        var law = [Double](repeating: 0, count: whole.count)
        var variance = 0.0
        for (season, part) in parts.enumerated() where part > 0 {
            let shares = shares(ofStream: stream, season: season)
            for bin in law.indices { law[bin] += part * shares[bin] }
            variance += part * part / Double(max(1, seasons.groups[season].holdoutRows))
        }
        return variance > 0 ? (law, max(1, Int(1 / variance))) : (whole, holdoutRows)
    }

    /// The same with seasons.
    ///
    /// - Throws: ``DriftError/profile(stream:problem:)`` when they do not fit its streams.
    package func with(_ seasons: SeasonalReference) throws(DriftError) -> ReferenceProfile {
        try seasons.validate(streams: streams)
        var profile = self
        profile.seasons = seasons
        return profile
    }

    /// The same without its seasons: every row is compared with the whole hold-out.
    package var withoutSeasons: ReferenceProfile {
        var profile = self
        profile.seasons = nil
        return profile
    }
}
