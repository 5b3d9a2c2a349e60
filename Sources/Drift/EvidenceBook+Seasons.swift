extension EvidenceBook {
    /// Compares with a group of hours from now on; what was learnt of traffic is left alone.
    mutating func adopt(season: Int, of profile: ReferenceProfile, _ settings: DriftSettings) {
        tolerances = settings.tolerances(profile, season: season)
        solver = BetSolver(
            profile,
            layout,
            tolerances,
            pseudoCount: settings.pseudoCount,
            season: season
        )
        points.adopt(season: season, of: profile, tolerances)
    }

    /// Goes over from one group of hours to another.
    ///
    /// Wealth goes on: whatever the bets on a block are made of, they know earlier blocks only, and
    /// none wins on average against a law in the leeway of the hours that the block is of. What was
    /// learnt is taken along as how much more, or less, often than the reference says a bin was met;
    /// the pseudo-count keeps few rows from saying much.
    mutating func enter(
        season: Int,
        from old: Int,
        of profile: ReferenceProfile,
        _ settings: DriftSettings
    ) {
        adopt(season: season, of: profile, settings)
        for stream in 0..<layout.streamCount where profile.seasons?.isSeasonal[stream] == true {
            let before = profile.shares(ofStream: stream, season: old).map { Float($0) }
            let after = profile.shares(ofStream: stream, season: season).map { Float($0) }
            for group in 0..<laneGroups {
                let places = layout.cells(of: stream).map { $0 * laneGroups + group }
                // The counts are kept times the scale.
                let pseudo = Float(settings.pseudoCount) * pages.scales[group]
                let total = places.reduce(Lanes.zero) { $0 + pages.decayed[$1] }
                var moved = Lanes.zero
                for (bin, place) in places.enumerated() {
                    let ratio = (pages.decayed[place] + pseudo) / (total * before[bin] + pseudo)
                    pages.decayed[place] = ratio * after[bin]
                    moved += pages.decayed[place]
                }
                // The shares are above 0, and so is what was moved.
                for place in places { pages.decayed[place] *= total / moved }
            }
        }
        refresh()
    }
}
