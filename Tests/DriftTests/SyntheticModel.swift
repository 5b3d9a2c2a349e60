import Drift

/// A small image model without training: four kinds of pictures, a hidden layer, four classes.
struct SyntheticCamera {
    static let side = 6
    static let classes = 4
    static let hiddenWidth = 8
    private var generator: SeededGenerator
    /// The shares of the classes.
    var shares = [Double](repeating: 1, count: classes)
    /// How a picture's pixels are changed before the model sees them.
    var change: ([Float]) -> [Float] = { $0 }

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// The next picture and what the model makes of it.
    mutating func row() -> Scored {
        let sum = shares.reduce(0, +)
        let kind = generator.draw(shares.map { $0 / sum })
        let place = Int(generator.next() % 3)
        var raw = (0..<Self.side * Self.side).map { pixel -> Float in
            let column = pixel % Self.side
            let row = pixel / Self.side
            let isLit = kind < 2 ? column == kind * 3 + place : row == (kind - 2) * 3 + place
            let light = isLit ? 150 + generator.normal() * 30 : 20 * max(0, generator.normal())
            return Float(min(255, max(0, light.rounded())))
        }
        raw = change(raw)
        return Self.score(raw)
    }

    static func score(_ raw: [Float]) -> Scored {
        var hidden = [Float](repeating: 0, count: hiddenWidth)
        for (pixel, value) in raw.enumerated() {
            hidden[pixel % side / 3] += value / 255
            hidden[2 + pixel / side / 3] += value / 255
            hidden[4 + pixel % 4] += value / 1000 * Float(pixel % 3 - 1)
        }
        for unit in hidden.indices { hidden[unit] = max(0, hidden[unit] - 0.5) }
        return Scored(raw: raw, logits: (0..<classes).map { 2 * hidden[$0] }, hidden: hidden)
    }

    /// A reference of so many training rows and as many of the hold-out.
    static func profile(rows: Int) throws -> ReferenceProfile {
        var builder = try ReferenceBuilder(
            layout: .frame(FrameGeometry(shape: [side, side], white: 255)),
            prediction: .classes(count: classes),
            hiddenWidth: hiddenWidth
        )
        var camera = SyntheticCamera(seed: 1)
        for _ in 0..<rows {
            try camera.row().give { row throws(DriftError) in try builder.addTraining(row) }
        }
        for _ in 0..<rows {
            try camera.row().give { row throws(DriftError) in try builder.addHoldout(row) }
        }
        return try builder.finish()
    }
}

/// A small table model: four numbers, one with missing values, and a category.
struct SyntheticTable {
    private var generator: SeededGenerator
    /// How a row is changed before the model sees it.
    var change: ([Float]) -> [Float] = { $0 }

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func row() -> Scored {
        let age = Float(20 + 60 * generator.uniform())
        let income = Float(1000 + 400 * generator.normal())
        let isKnown = generator.uniform() > 0.05
        let raw = change([
            age, income, isKnown ? Float(5 * generator.normal()) : .nan,
            age + Float(5 * generator.normal()), Float(generator.draw([0.5, 0.3, 0.2])),
        ])
        let logit = zip(raw, [0.05, 0.002, 0.1, 0.01, 0.5] as [Float]).reduce(-4) {
            $0 + ($1.0.isNaN ? 0 : $1.0 * $1.1)
        }
        return Scored(raw: raw, logits: [logit], hidden: [])
    }

    static func profile(rows: Int) throws -> ReferenceProfile {
        var builder = try ReferenceBuilder(
            layout: .columns([
                .init(name: "age"), .init(name: "income"), .init(name: "balance"),
                .init(name: "tenure"), .init(name: "plan", categories: ["a", "b", "c"]),
            ]),
            prediction: .binary
        )
        var table = SyntheticTable(seed: 2)
        for _ in 0..<rows {
            try table.row().give { row throws(DriftError) in try builder.addTraining(row) }
        }
        for _ in 0..<rows {
            try table.row().give { row throws(DriftError) in try builder.addHoldout(row) }
        }
        return try builder.finish()
    }
}

/// One row with all that a model makes of it.
struct Scored {
    let raw: [Float]
    let logits: [Float]
    let probabilities: [Float]
    let hidden: [Float]

    init(raw: [Float], logits: [Float], hidden: [Float]) {
        (self.raw, self.logits, self.hidden) = (raw, logits, hidden)
        let powers = logits.map { Simulated.exponential($0) }
        let sum = powers.reduce(0, +)
        probabilities = logits.count == 1 ? [powers[0] / (1 + powers[0])] : powers.map { $0 / sum }
    }

    func give<Failure: Error>(_ body: (borrowing ScoredRows) throws(Failure) -> Void)
        throws(Failure)
    {
        try body(
            ScoredRows(
                raw: raw.span,
                logits: logits.span,
                probabilities: probabilities.span,
                hidden: hidden.span,
                rowCount: 1
            )
        )
    }
}

enum Simulated {
    /// e to the power of a number that is not large, by halving and squaring.
    static func exponential(_ x: Float) -> Float {
        let small = Double(x) / 1024
        var power = 1 + small + small * small / 2 + small * small * small / 6
        for _ in 0..<10 { power *= power }
        return Float(power)
    }
}

/// A monitor with its binner, fed row by row as an event loop does.
struct Watch {
    var monitor: DriftMonitor
    private var binner: StreamBinner
    private var block: BlockCounts

    init(_ profile: ReferenceProfile, interval: Double = 10_000) throws {
        monitor = DriftMonitor(
            profile: profile,
            settings: try DriftSettings(falseAlarmInterval: interval)
        )
        binner = StreamBinner(profile: profile)
        block = BlockCounts(profile: profile)
    }

    mutating func see(_ row: Scored) {
        row.give { binner.count($0, in: &block) }
        if block.rowCount >= 8 { fold() }
    }

    mutating func refuse() {
        binner.countRefused(in: &block)
        if block.rowCount >= 8 { fold() }
    }

    mutating func fold() {
        monitor.fold(block)
        block.reset()
    }

    /// Sees rows until an alarm; returns how many, or nil when there was none.
    mutating func rowsToAlarm(max: Int, _ next: () -> Scored) -> Int? {
        for row in 1...max {
            see(next())
            if monitor.alarm != nil { return row }
        }
        return nil
    }
}
