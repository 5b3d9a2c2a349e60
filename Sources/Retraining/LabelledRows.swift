package import Features
internal import FoundationEssentials
package import Transfer

/// Rows with their true labels, fetched and checked exactly as a retrain does it.
package struct LabelledRows: Sendable {
    /// The data set that the rows are of.
    package let dataset: Dataset
    /// The rows' numbers in the data set.
    package let rows: [Int32]
    /// What a valid row is.
    package let schema: FeatureSchema

    /// Which rows.
    package enum Part: String, CaseIterable, Sendable {
        /// The rows that are fitted.
        case train
        /// The rows that are not.
        case holdout
    }

    /// Fetches, reads and splits a plan's sources.
    ///
    /// - Parameters:
    ///   - plan: Whose sources.
    ///   - part: Which of the rows.
    ///   - downloader: Fetches the sources.
    ///   - folder: Where they are kept.
    ///   - unixSeconds: The time.
    /// - Returns: The rows.
    /// - Throws: ``RetrainingError``.
    package static func load(
        _ plan: RetrainingPlan,
        part: Part,
        downloader: Downloader,
        folder: String,
        unixSeconds: Double
    ) async throws(RetrainingError) -> LabelledRows {
        let now = unixSeconds
        let step = DownloadStep(
            plan: plan,
            downloader: downloader,
            folder: folder,
            now: Date(timeIntervalSince1970: now)
        )
        let archive = DataArchive(downloads: folder, model: plan.model)
        let validation = ValidateStep(plan: plan, archive: archive, now: Int64(now))
        let data = try validation.run(try await step.run())
        let chosen = part == .train ? data.train : data.holdout
        return LabelledRows(dataset: chosen.dataset, rows: chosen.rows, schema: data.schema)
    }
}
