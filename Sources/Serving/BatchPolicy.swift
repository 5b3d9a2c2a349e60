/// How one model's predictions are shared out between event loops and batcher, as configured.
package struct BatchSettings: Sendable, Equatable {
    /// Who computes.
    package enum Mode: String, CaseIterable, Sendable {
        /// The event loop where a request costs little, the batcher where it costs much.
        case auto
        /// Always the event loop.
        case inline
        /// Always the batcher.
        case queue
    }

    /// Who computes.
    package var mode: Mode
    /// The longest computation that an event loop does itself, in nanoseconds.
    package var inlineNanosecondsMax: UInt64
    /// Most rows of a product that serves several requests; nil chooses by measurement.
    package var rowsMax: Int?
    /// Nanoseconds that rows wait for company while nothing else is to be computed.
    package var delayNanoseconds: UInt64
    /// Nanoseconds that a request may wait; nil chooses by measurement.
    package var queueNanosecondsMax: UInt64?

    /// Takes the settings.
    package init(
        mode: Mode = .auto,
        inlineNanosecondsMax: UInt64 = 200_000,
        rowsMax: Int? = nil,
        delayNanoseconds: UInt64 = 0,
        queueNanosecondsMax: UInt64? = nil
    ) {
        self.mode = mode
        self.inlineNanosecondsMax = inlineNanosecondsMax
        self.rowsMax = rowsMax
        self.delayNanoseconds = delayNanoseconds
        self.queueNanosecondsMax = queueNanosecondsMax
    }
}

/// What follows from settings and cost for one version; made when it is loaded, then only read.
package final class BatchPolicy: Sendable {
    /// What predictions cost.
    package let cost: ComputeCost
    /// Which rows may be in one product.
    package let rowsMax: Int
    /// Nanoseconds that rows wait for company.
    package let delayNanoseconds: UInt64
    /// How long a request may wait before it is begun.
    package let queueLimit: BatchLoad.Limit
    /// Nanoseconds of a product of as many rows as may be.
    package let product: UInt64
    /// The most rows of a request that an event loop computes itself; 0 when it computes none.
    package let inlineRowsMax: Int
    /// Nanoseconds of a row in a full product.
    private let fullRow: Double

    /// A product for several requests takes at most this many times a row alone, where nothing
    /// else is configured: company costs a request little, and fills the product.
    private static let productTimes: UInt64 = 2
    /// What is taken on is answered within this many times what a row takes alone.
    private static let answerTimes: UInt64 = 3
    /// The least limit on waiting, where a row takes next to nothing.
    private static let queueNanosecondsMin: UInt64 = 5_000_000
    /// The limit while few are refused.
    private static let burstNanosecondsMax: UInt64 = 50_000_000

    /// Puts settings and cost together.
    package init(_ settings: BatchSettings, _ cost: ComputeCost) {
        self.cost = cost
        let alone = cost.inBatcher(rows: 1)
        rowsMax = max(1, settings.rowsMax ?? cost.bestRows(within: Self.productTimes &* alone))
        delayNanoseconds = settings.delayNanoseconds
        product = cost.inBatcher(rows: rowsMax)
        fullRow = Double(product) / Double(rowsMax)
        let whole = Self.answerTimes &* alone
        let standing = max(whole > product ? whole - product : 0, Self.queueNanosecondsMin)
        queueLimit =
            if let configured = settings.queueNanosecondsMax {
                BatchLoad.Limit(standing: configured, burst: configured)
            } else {
                BatchLoad.Limit(standing: standing, burst: Self.burstNanosecondsMax)
            }
        inlineRowsMax =
            switch settings.mode {
            case .inline: Int.max
            case .queue: 0
            case .auto: Self.rows(within: settings.inlineNanosecondsMax, cost)
            }
    }

    /// Nanoseconds that some rows add to what waits, when products are full.
    package func share(rows: Int) -> UInt64 {
        rows > rowsMax
            ? cost.inBatcher(rows: rows) : UInt64(min(max(fullRow * Double(rows), 1), 1e15))
    }

    /// The rows that one thread computes in a time; 0 when one row takes longer.
    private static func rows(within nanoseconds: UInt64, _ cost: ComputeCost) -> Int {
        guard nanoseconds >= cost.row else { return 0 }
        let further = (nanoseconds - cost.row) / max(1, cost.furtherRow)
        return 1 + Int(min(further, 1 << 40))
    }
}
