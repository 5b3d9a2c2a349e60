import Drift

/// A table whose rows follow the day and the week.
///
/// By night other values and categories are usual than by day, at the weekend others than on working
/// days. Nothing else ever changes.
struct SyntheticOffice {
    private var generator: SeededGenerator
    /// What is added to the load.
    var shift = 0.0
    /// Hours by which the clock of the world is ahead of the one that is looked at.
    var hoursAhead = 0.0

    static let weekSeconds = 7 * 86_400.0

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// A row so many seconds after Monday, 00:00.
    mutating func row(seconds: Double) -> Scored {
        let hours = (seconds / 3600 + hoursAhead).truncatingRemainder(dividingBy: 168)
        let hour = hours.truncatingRemainder(dividingBy: 24)
        // Up by day and down by night, in straight lines.
        let apart = abs(hour - 14)
        let cycle = 1 - min(apart, 24 - apart) / 6
        let load = cycle + (hours >= 120 ? 1 : 0) + generator.normal() + shift
        let isNight = generator.uniform() < 0.5 - 0.3 * max(-1, min(1, cycle))
        let noise = generator.normal()
        let raw = [Float(load), isNight ? 0 : Float(1 + generator.draw([0.7, 0.3])), Float(noise)]
        return Scored(raw: raw, logits: [Float(load - noise)], hidden: [])
    }

    /// A row at any time of the week, and its hour.
    mutating func row() -> (row: Scored, hour: UInt8) {
        let seconds = generator.uniform() * Self.weekSeconds
        return (row(seconds: seconds), Self.hour(seconds))
    }

    static func hour(_ seconds: Double) -> UInt8 {
        UInt8(Int(seconds / 3600) % 168)
    }

    /// A reference by the hour of the week, of so many training rows and a third as many others.
    static func profile(rows: Int, hours: Range<Int> = 0..<168, seed: UInt64 = 1) throws
        -> ReferenceProfile
    {
        var builder = try ReferenceBuilder(
            layout: .columns([
                .init(name: "load"), .init(name: "kind", categories: ["night", "a", "b"]),
                .init(name: "noise"),
            ]),
            prediction: .binary,
            seasonColumn: "time"
        )
        var office = SyntheticOffice(seed: seed)
        var training: [(row: Scored, hour: UInt8)] = []
        while training.count < rows {
            let next = office.row()
            if hours.contains(Int(next.hour)) { training.append(next) }
        }
        for (row, _) in training {
            try row.give { row throws(DriftError) in try builder.addTraining(row) }
        }
        for (row, hour) in training {
            try row.give { row throws(DriftError) in try builder.addSeason(row, hours: [hour].span)
            }
        }
        for _ in 0..<rows / 3 {
            let (row, hour) = office.row()
            guard hours.contains(Int(hour)) else { continue }
            try row.give { row throws(DriftError) in
                try builder.addHoldout(row, hours: [hour].span)
            }
        }
        return try builder.finish()
    }
}

/// A monitor that is fed rows in the order of time, so many in a week.
struct OfficeWatch {
    var monitor: DriftMonitor
    private let clock: SeasonClock?
    private var binner: StreamBinner
    private var block: BlockCounts

    init(_ profile: ReferenceProfile, interval: Double = 1_000_000) throws {
        monitor = DriftMonitor(
            profile: profile,
            settings: try DriftSettings(falseAlarmInterval: interval)
        )
        clock = SeasonClock(profile)
        binner = StreamBinner(profile: profile)
        block = BlockCounts(profile: profile)
    }

    mutating func see(_ row: Scored, hour: UInt8) {
        let season = clock?.season(hour: hour) ?? 0
        if season != block.season {
            fold()
            block.season = season
        }
        row.give { binner.count($0, in: &block) }
        if block.isFull { fold() }
    }

    mutating func fold() {
        monitor.fold(block)
        block.reset()
    }

    /// Sees rows that are evenly spread over some weeks until an alarm.
    ///
    /// - Returns: The rows until then; nil when there was none.
    mutating func rowsToAlarm(
        _ office: inout SyntheticOffice,
        perWeek: Int,
        from start: Double = 0,
        weeks: Double
    ) -> Int? {
        for row in 0..<Int(Double(perWeek) * weeks) {
            let seconds = start + Double(row) / Double(perWeek) * SyntheticOffice.weekSeconds
            see(office.row(seconds: seconds), hour: SyntheticOffice.hour(seconds))
            if monitor.alarm != nil { return row + 1 }
        }
        fold()
        return monitor.alarm == nil ? nil : Int(Double(perWeek) * weeks)
    }
}
