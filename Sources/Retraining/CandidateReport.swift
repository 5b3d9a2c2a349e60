internal import Features
internal import ModelStore
internal import NeuralNetwork

/// All that is known of a candidate: `report.json`, and what the page for people is made of.
struct CandidateReport: Encodable {
    /// How the run ended.
    let outcome: RetrainingOutcome
    /// Labels in the order of the class index; empty for a regression.
    let labels: [String]
    /// The candidate on the hold-out.
    let evaluation: Evaluation
    /// The champion on the same rows.
    let championEvaluation: Evaluation?
    /// Where training stood at the end of each epoch.
    let curve: [CurvePoint]
    /// Rows of the hold-out by class and by slice.
    let groups: [Groups]
    /// The probabilities by bins of equal width of the confidence, as they are served.
    let reliability: Reliability?
    /// Both on the golden set.
    let golden: Golden?
    /// What serving the candidate costs.
    let cost: Cost

    /// The rows of the hold-out by their class, or by the value of a column.
    struct Groups: Encodable {
        /// Nil for the classes.
        let column: String?
        let rows: [Row]

        struct Row: Encodable {
            let name: String
            let rows: Int
            /// Shares of right answers.
            let candidate: Double
            let champion: Double?
        }
    }

    struct Reliability: Encodable {
        let candidate: [ReliabilityBin]
        let champion: [ReliabilityBin]?
    }

    struct Golden: Encodable {
        let candidate: Evaluation
        let champion: Evaluation?
    }

    struct Cost: Encodable {
        let weightBytes: Int?
        let rowMicroseconds: Double?

        enum CodingKeys: String, CodingKey {
            case weightBytes = "weight_bytes"
            case rowMicroseconds = "row_microseconds"
        }
    }

    enum CodingKeys: String, CodingKey {
        case outcome, labels, evaluation, curve, groups, reliability, golden, cost
        case championEvaluation = "champion_evaluation"
    }

    init(
        _ outcome: RetrainingOutcome,
        _ candidate: Candidate,
        _ result: EvaluateStep.Result,
        labels: [String]
    ) {
        self.outcome = outcome
        self.labels = labels
        evaluation = result.evaluation
        championEvaluation = result.holdout.champion?.evaluation
        curve = candidate.curve
        groups = result.groups.map { Groups($0, result.holdout) }
        let bins = result.holdout.candidate.rows.calibration
        reliability =
            bins.count == 0
            ? nil
            : Reliability(
                candidate: bins.bins,
                champion: result.holdout.champion?.rows.calibration.bins
            )
        golden = result.golden.map {
            Golden(candidate: $0.candidate.evaluation, champion: $0.champion?.evaluation)
        }
        cost = Cost(
            weightBytes: result.cost.weightBytes,
            rowMicroseconds: result.cost.rowMicroseconds
        )
    }

    /// `report.json` and `report.html`.
    ///
    /// - Throws: What the encoder throws.
    func files() throws -> (json: [UInt8], page: [UInt8]) {
        (try StoreJSON.encode(self, pretty: true), Array(ReportPage(self).text.utf8))
    }
}

extension CandidateReport.Groups {
    fileprivate init(_ groups: RowGroups, _ pair: PairedResult) {
        column = groups.column
        let counts = pair.counts(of: groups.names.count) { Int(groups.groups[$0]) }
        rows = zip(groups.names, counts).map { name, counts in
            Row(
                name: name,
                rows: counts.rows,
                candidate: counts.candidateShare,
                champion: pair.champion == nil ? nil : counts.championShare
            )
        }
    }
}
