import Drift
import FoundationEssentials
import Testing

@Suite("References by the hour of the week") struct SeasonTests {
    private static let office = Result { try SyntheticOffice.profile(rows: 6000) }

    @Test("traffic like that of the reference's own weeks alarms, unless hours are told apart")
    func ownPeriod() throws {
        let profile = try Self.office.get()
        var office = SyntheticOffice(seed: 7)
        var pooled = try OfficeWatch(profile.withoutSeasons)
        let rows = try #require(pooled.rowsToAlarm(&office, perWeek: 6000, weeks: 1))
        // It does not take a day.
        #expect(rows < 6000 / 7)
        for seed in 8...9 {
            office = SyntheticOffice(seed: UInt64(seed))
            var seasonal = try OfficeWatch(profile)
            #expect(seasonal.rowsToAlarm(&office, perWeek: 6000, weeks: 2) == nil)
            #expect(seasonal.monitor.evidence < 8)
        }
    }

    @Test("a shift is found, and night's traffic at noon, though the week has both")
    func realDrift() throws {
        let profile = try Self.office.get()
        for (shift, ahead) in [(1.5, 0.0), (0, 12)] {
            var office = SyntheticOffice(seed: 11)
            var watch = try OfficeWatch(profile)
            // Until Wednesday, 12:00, all is well.
            #expect(watch.rowsToAlarm(&office, perWeek: 6000, weeks: 2.5 / 7) == nil)
            office.shift = shift
            office.hoursAhead = ahead
            let start = 2.5 * 86_400.0
            let rows = watch.rowsToAlarm(&office, perWeek: 6000, from: start, weeks: 1)
            #expect(try #require(rows) < 2000)
            let named = try #require(watch.monitor.alarm?.suspects.map(\.stream))
            #expect(!named.contains("column.noise"))
        }
    }

    @Test("hours that are alike share a group, and streams that have no season keep all rows")
    func groups() throws {
        let profile = try Self.office.get()
        let seasons = try #require(profile.seasons)
        #expect((2...SeasonalReference.groupsMax).contains(seasons.groups.count))
        #expect(seasons.groups.reduce(0) { $0 + $1.holdoutRows } == profile.holdoutRows)
        #expect(seasons.groups.allSatisfy { $0.holdoutRows >= 100 })
        // Tuesday noon is like Thursday noon, and not like midnight.
        #expect(seasons.groupOfHour[24 + 14] == seasons.groupOfHour[72 + 14])
        #expect(seasons.groupOfHour[24 + 14] != seasons.groupOfHour[24 + 2])
        let names = profile.streams.map(\.name)
        let load = try #require(names.firstIndex(of: "column.load"))
        let noise = try #require(names.firstIndex(of: "column.noise"))
        #expect(seasons.isSeasonal[load] && !seasons.isSeasonal[noise])
        #expect(profile.shares(ofStream: noise, season: 0) == profile.streams[noise].probabilities)
        let (noon, night) = (seasons.groupOfHour[38], seasons.groupOfHour[26])
        let apart = totalVariation(
            profile.shares(ofStream: load, season: Int(noon)),
            profile.shares(ofStream: load, season: Int(night))
        )
        #expect(apart > 0.3)
        #expect(profile.error(ofStream: load, season: 0) > profile.streams[load].samplingError)
    }

    @Test("without a season, and with too few rows, all hours are compared with the same shares")
    func onlyOne() throws {
        let few = try #require(try SyntheticOffice.profile(rows: 450).seasons)
        #expect(few.groups.count == 1)
        var builder = try ReferenceBuilder(
            layout: .columns([.init(name: "noise")]),
            prediction: .value(width: 1),
            seasonColumn: "time"
        )
        var generator = SeededGenerator(seed: 5)
        let rows = (0..<6000).map { row in
            (value: Float(generator.normal()), hour: UInt8(row % 168))
        }
        func give(_ body: (borrowing ScoredRows, UInt8) throws(DriftError) -> Void) throws {
            for row in rows {
                let values = [row.value]
                try body(
                    ScoredRows(raw: values.span, probabilities: values.span, rowCount: 1),
                    row.hour
                )
            }
        }
        try give { row, _ throws(DriftError) in try builder.addTraining(row) }
        try give { row, hour throws(DriftError) in try builder.addSeason(row, hours: [hour].span) }
        try give { row, hour throws(DriftError) in try builder.addHoldout(row, hours: [hour].span) }
        let seasons = try #require(try builder.finish().seasons)
        #expect(seasons.isSeasonal.allSatisfy { !$0 })
        #expect(seasons.groups[0].spreads.allSatisfy { $0 < 0.05 })
    }

    @Test("hours without rows go with the same hour of another day")
    func unseenHours() throws {
        // Monday and Tuesday only.
        let seasons = try #require(try SyntheticOffice.profile(rows: 3000, hours: 0..<48).seasons)
        #expect(seasons.groups.count > 1)
        for hour in 24..<48 {
            #expect(seasons.groupOfHour[hour + 24] == seasons.groupOfHour[hour])
        }
        #expect(seasons.groupOfHour[144 + 14] == seasons.groupOfHour[14])
    }

    @Test("hours must be as many as rows")
    func counts() throws {
        var builder = try ReferenceBuilder(
            layout: .columns([.init(name: "a")]),
            prediction: .value(width: 1),
            seasonColumn: "time"
        )
        for value in 0..<20 {
            let values = [Float(value)]
            try builder.addTraining(raw: values.span, probabilities: values.span, rowCount: 1)
        }
        let values: [Float] = [1]
        #expect(throws: DriftError.rowWidth(part: "hours", expected: 1, found: 2)) {
            try builder.addSeason(
                ScoredRows(raw: values.span, probabilities: values.span, rowCount: 1),
                hours: [1, 2].span
            )
        }
    }
}

@Suite("A monitor with seasons") struct SeasonMonitorTests {
    private static let laws: [[Double]] = [
        [0.7, 0.2, 0.06, 0.04], [0.1, 0.3, 0.3, 0.3], [0.02, 0.08, 0.3, 0.6],
    ]

    /// One stream with a season and, unless told otherwise, one without.
    private func profile(streams: Int = 2) throws -> ReferenceProfile {
        let plain = try knownProfile(
            Array([[0.3, 0.3, 0.2, 0.2], [0.5, 0.5]].prefix(streams))
        )
        return try plain.with(
            SeasonalReference(
                column: "time",
                groupOfHour: (0..<168).map { UInt8($0 % 3) },
                isSeasonal: Array([true, false].prefix(streams)),
                groups: Self.laws.map { law in
                    SeasonalReference.Group(
                        holdoutRows: 1000,
                        shares: law.map { Float($0) },
                        samplingErrors: [Float](repeating: 0, count: streams),
                        spreads: [Float](repeating: 0, count: streams)
                    )
                }
            )
        )
    }

    private func block(_ rows: [[UInt8]], _ season: UInt8, of profile: ReferenceProfile)
        -> BlockCounts
    {
        var block = BlockCounts(profile: profile)
        block.season = season
        for row in rows { block.add(bins: row.span) }
        return block
    }

    @Test("whatever the hours before, no law of the ball of the hours in force lets wealth grow")
    func supermartingale() throws {
        var generator = SeededGenerator(seed: 9)
        let profile = try profile(streams: 1)
        var tight = 0
        for round in 0..<40 {
            let tolerance = 0.02 + 0.08 * generator.uniform()
            let isFixed = round % 4 == 3
            var monitor = DriftMonitor(
                profile: profile,
                settings: try DriftSettings(
                    tolerance: tolerance,
                    falseAlarmInterval: 1e12,
                    halfLives: [[8, 32, 256][round % 3]],
                    fixedShare: isFixed ? 1 : 0
                )
            )
            let moved = generator.law(4, sharpness: 2)
            for number in 0..<4 + round % 5 {
                let rows = (0..<16).map { _ in [UInt8(generator.draw(moved))] }
                monitor.fold(block(rows, UInt8(number / 2 % 3), of: profile))
            }
            let before = monitor.wealth / AlarmBudget.streams
            for season in Self.laws.indices {
                // The hours change with this row: the bets are made anew before it is looked at.
                let after = Self.laws[season].indices.map { bin -> Double in
                    var copy = monitor
                    copy.fold(block([[UInt8(bin)]], UInt8(season), of: profile))
                    return copy.wealth / AlarmBudget.streams
                }
                let law = profile.shares(ofStream: 0, season: season)
                let worst = leastFavourable(law, payoffs: after, tolerance: tolerance)
                let mean = zip(worst, after).reduce(0) { $0 + $1.0 * $1.1 }
                // Fixed bets get one unit a row; others are topped up to what they have at rest.
                let most = isFixed ? before + 1 : max(16, before)
                #expect(mean <= most * (1 + 1e-6))
                if after.max() != after.min(), mean > most * (1 - 1e-4) { tight += 1 }
            }
        }
        #expect(tight > 20)
    }

    @Test("traffic that follows the hours is no drift, that of other hours is at once")
    func follows() throws {
        let profile = try profile()
        var generator = SeededGenerator(seed: 10)
        var monitor = DriftMonitor(
            profile: profile,
            settings: try DriftSettings(tolerance: 0.03, falseAlarmInterval: 10_000)
        )
        func rows(_ law: [Double]) -> [[UInt8]] {
            (0..<16).map { _ in [UInt8(generator.draw(law)), UInt8(generator.draw([0.5, 0.5]))] }
        }
        for number in 0..<300 {
            let season = number / 10 % 3
            monitor.fold(block(rows(Self.laws[season]), UInt8(season), of: profile))
            #expect(monitor.season == season)
        }
        #expect(monitor.alarm == nil && monitor.evidence < 3)
        // The window has rows of all hours, and is compared with all of them in its parts.
        #expect(monitor.effectSize(ofStream: 0).totalVariation < 0.03)
        var blocks = 0
        while monitor.alarm == nil, blocks < 50 {
            monitor.fold(block(rows(Self.laws[0]), 2, of: profile))
            blocks += 1
        }
        #expect(blocks < 5)
        let suspect = try #require(monitor.alarm?.suspects.first)
        #expect(suspect.stream == "column.0")
        #expect(totalVariation(suspect.reference, Self.laws[2]) < 1e-6)
        #expect(monitor.summary.season?.group == 2)
        #expect(monitor.summary.season?.streams == ["column.0"])
    }

    @Test("what is learnt of a drift goes on from hour to hour")
    func learns() throws {
        let profile = try profile()
        var generator = SeededGenerator(seed: 12)
        let settings = try DriftSettings(falseAlarmInterval: 1e9)
        var monitor = DriftMonitor(profile: profile, settings: settings)
        var evidence: [Double] = []
        // The first two bins' rows are drawn from one another's in every third row.
        for number in 0..<120 {
            let season = number / 2 % 3
            let law = Self.laws[season]
            let moved = [law[0] * 0.7, law[1] * 0.7, law[2], law[3] + 0.3 * (law[0] + law[1])]
            let rows = (0..<8).map { _ in
                [UInt8(generator.draw(moved)), UInt8(generator.draw([0.5, 0.5]))]
            }
            monitor.fold(block(rows, UInt8(season), of: profile))
            evidence.append(monitor.evidence)
        }
        #expect(evidence[119] > 5)
    }

    @Test("a state that was saved within some hours goes on bit for bit; another form is refused")
    func restored() throws {
        let profile = try profile()
        let settings = try DriftSettings(falseAlarmInterval: 1e6)
        var generator = SeededGenerator(seed: 13)
        var monitor = DriftMonitor(profile: profile, settings: settings)
        func next(_ season: UInt8) -> BlockCounts {
            let law = Self.laws[Int(season + 1) % 3]
            return block(
                (0..<12).map { _ in [UInt8(generator.draw(law)), 0] },
                season,
                of: profile
            )
        }
        for season: UInt8 in [0, 0, 2, 1, 1] { monitor.fold(next(season)) }
        let bytes = try JSONEncoder().encode(monitor.state)
        let state = try JSONDecoder().decode(DriftState.self, from: bytes)
        var again = try DriftMonitor(profile: profile, settings: settings, state: state)
        #expect(again.season == 1)
        for season: UInt8 in [1, 2, 2, 0] {
            let block = next(season)
            monitor.fold(block)
            again.fold(block)
            again.rotatePane()
            monitor.rotatePane()
        }
        #expect(again.state == monitor.state && again.evidence == monitor.evidence)
        #expect(again.summary == monitor.summary)
        #expect(throws: DriftError.self) {
            _ = try DriftMonitor(
                profile: profile.withoutSeasons,
                settings: settings,
                state: state
            )
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let damaged = text.replacing(#""current":1"#, with: #""current":9"#)
        #expect(damaged != text)
        let wrong = try JSONDecoder().decode(DriftState.self, from: Data(damaged.utf8))
        #expect(throws: DriftError.self) {
            _ = try DriftMonitor(profile: profile, settings: settings, state: wrong)
        }
    }

    @Test("blocks of the same hours add up, others do not, and unknown hours are not counted")
    func blocks() throws {
        let profile = try profile()
        var sum = block([[0, 0], [1, 1]], 1, of: profile)
        try sum.add(block([[3, 1]], 1, of: profile))
        #expect(sum.rowCount == 3)
        #expect(throws: DriftError.foreignCounts) {
            try sum.add(block([[3, 1]], 2, of: profile))
        }
        let settings = try DriftSettings()
        var whole = DriftMonitor(profile: profile, settings: settings)
        whole.fold(sum)
        var parts = DriftMonitor(profile: profile, settings: settings)
        parts.fold(block([[3, 1], [1, 1], [0, 0]], 1, of: profile))
        #expect(whole.state.rows == 3 && whole.evidence == parts.evidence)
        #expect(whole.fold(block([[0, 0]], 3, of: profile)) == .foreign)
        #expect(whole.rows == 3)
    }

    @Test("a reference is read back with its seasons; one that contradicts itself is refused")
    func file() throws {
        let profile = try profile()
        let text = String(decoding: try JSONEncoder().encode(profile), as: UTF8.self)
        let again = try JSONDecoder().decode(ReferenceProfile.self, from: Data(text.utf8))
        #expect(again == profile)
        let old = String(decoding: try JSONEncoder().encode(profile.withoutSeasons), as: UTF8.self)
        #expect(!old.contains("seasons"))
        let read = try JSONDecoder().decode(ReferenceProfile.self, from: Data(old.utf8))
        #expect(read.seasons == nil && read.seasonCount == 1)
        for (right, wrong) in [
            (#""group_of_hour":[0,"#, #""group_of_hour":[3,"#),
            (#""group_of_hour":[0,"#, #""group_of_hour":["#),
            (#""is_seasonal":[true,"#, #""is_seasonal":[true,true,"#),
            (#""is_seasonal":[true,"#, #""is_seasonal":[false,"#),
            (#""shares":[0."#, #""shares":[1."#),
            (#""sampling_errors":[0,"#, #""sampling_errors":[-1,"#),
            (#""spreads":[0,"#, #""spreads":["#),
        ] {
            let bad = text.replacing(right, with: wrong)
            #expect(bad != text, "\(right)")
            #expect(throws: DriftError.self, "\(wrong)") {
                try JSONDecoder().decode(ReferenceProfile.self, from: Data(bad.utf8))
            }
        }
    }
}
