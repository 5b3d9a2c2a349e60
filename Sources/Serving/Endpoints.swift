package import HTTPTransport

/// All that can be asked of the appliance, one entry a URL: start reading the target here.
///
/// `api` answers clients, `operations` the people and programs that run the appliance; the health
/// endpoints are on both and never ask for a key. Routing, access control, the labels of metrics
/// and the OpenAPI description are all made of this table. An object, since each request is given its
/// endpoint.
package final class Endpoint: Sendable {
    /// The method that it takes; `HEAD` stands for `GET`.
    package let method: HTTPMethod
    /// The path; `{model}`, `{version}` and `{label}` stand for one segment of it.
    package let pattern: String
    /// What answers.
    let action: Action
    /// What a key must allow; nil where no key is asked for.
    package let scope: Scope?
    /// Where it is answered.
    package let listeners: Set<Listener>
    /// What it does, in one sentence.
    package let summary: String

    /// What a key can allow.
    package enum Scope: String, CaseIterable, Sendable {
        /// To ask for predictions, and what the models are.
        case predict
        /// To tell what came true.
        case feedback
        /// To read how the appliance fares, and to change its state.
        case operate
    }

    /// What answers a request.
    enum Action: Sendable, Equatable {
        case predict(Dialect)
        case feedback
        case live, ready, alive
        case description, server, models, model(ModelView)
        case statistics, repositoryIndex, load, unload
        case metrics, status, drift
        case retrain, promote, rollback, pin, unpin, acknowledge, logLevel
    }

    /// What is told of a model.
    enum ModelView: Sendable, Equatable {
        /// As the Open Inference Protocol does.
        case metadata, ready, configuration, statistics
        /// As TensorFlow Serving and KServe V1 do.
        case status, signatures
    }

    private init(
        _ method: HTTPMethod,
        _ pattern: String,
        _ action: Action,
        _ scope: Scope?,
        _ listeners: Set<Listener>,
        _ summary: String
    ) {
        self.method = method
        self.pattern = pattern
        self.action = action
        self.scope = scope
        self.listeners = listeners
        self.summary = summary
    }

    /// The table; what is asked for most often stands first.
    package static let all: [Endpoint] =
        predictions + health + models + repository + operations

    private static let predictions = [
        Endpoint(
            .post,
            "/predict",
            .predict(.predict),
            .predict,
            [.api],
            "Predicts one row or several."
        ),
        Endpoint(
            .post,
            "/invocations",
            .predict(.invocations),
            .predict,
            [.api],
            "Predicts, as SageMaker's and MLflow's containers do."
        ),
        Endpoint(
            .post,
            "/feedback",
            .feedback,
            .feedback,
            [.api],
            "Tells what came true for rows that were predicted."
        ),
        tensors("/v2/models/{model}/infer"),
        tensors("/v2/models/{model}/versions/{version}/infer"),
        instances("/v1/models/{model}:predict"),
        instances("/v1/models/{model}/versions/{version}:predict"),
        instances("/v1/models/{model}/labels/{label}:predict"),
    ]

    private static let health = [
        Endpoint(.get, "/", .alive, nil, [.api], "Whether the process works, as KServe V1 asks."),
        Endpoint(.get, "/ping", .ready, nil, [.api], "The same as /readyz, for SageMaker."),
        Endpoint(
            .get,
            "/v2/health/live",
            .live,
            nil,
            [.api, .operations],
            "Whether the process works."
        ),
        Endpoint(
            .get,
            "/v2/health/ready",
            .ready,
            nil,
            [.api, .operations],
            "Whether every model can answer."
        ),
        Endpoint(.get, "/livez", .live, nil, [.api, .operations], "Whether the process works."),
        Endpoint(
            .get,
            "/readyz",
            .ready,
            nil,
            [.api, .operations],
            "Whether every model can answer."
        ),
    ]

    private static let models =
        [
            information(
                "/openapi.json",
                .description,
                [.api, .operations],
                "This description."
            ),
            information("/v2", .server, [.api, .operations], "What this server is."),
            information("/v2/", .server, [.api, .operations], "What this server is."),
            information("/v2/models", .models, [.api], "The names of the models."),
            information("/v1/models", .models, [.api], "The names of the models."),
            information("/v2/models/stats", .statistics, [.api], "Counts and times."),
            view("/v1/models/{model}", .status, "Whether a model answers, and its version."),
            view("/v1/models/{model}/versions/{version}", .status, "Whether a version answers."),
            view("/v1/models/{model}/labels/{label}", .status, "The version that has a label."),
            view("/v1/models/{model}/metadata", .signatures, "Inputs and outputs."),
            view(
                "/v1/models/{model}/versions/{version}/metadata",
                .signatures,
                "Inputs and outputs."
            ),
        ]
        + [
            ("", ModelView.metadata, "Inputs and outputs."),
            ("/ready", .ready, "Whether it answers."),
            ("/config", .configuration, "Inputs and outputs, as Triton's tools read them."),
            ("/stats", .statistics, "Counts and times."),
        ].flatMap {
            [
                view("/v2/models/{model}\($0.0)", $0.1, $0.2),
                view("/v2/models/{model}/versions/{version}\($0.0)", $0.1, $0.2),
            ]
        }

    private static let repository = [
        Endpoint(
            .post,
            "/v2/repository/index",
            .repositoryIndex,
            .predict,
            [.api, .operations],
            "The models, and whether each answers."
        ),
        operation(
            .post,
            "/v2/repository/models/{model}/load",
            .load,
            "Takes a model's current version into service, anew if need be."
        ),
        operation(
            .post,
            "/v2/repository/models/{model}/unload",
            .unload,
            "Takes a model out of service until it is loaded."
        ),
    ]

    private static func information(
        _ pattern: String,
        _ action: Action,
        _ listeners: Set<Listener>,
        _ summary: String
    ) -> Endpoint {
        Endpoint(.get, pattern, action, .predict, listeners, summary)
    }

    private static func view(_ pattern: String, _ view: ModelView, _ summary: String) -> Endpoint {
        // A client that loads and unloads asks the same listener whether the model is ready.
        let listeners: Set<Listener> = view == .ready ? [.api, .operations] : [.api]
        return Endpoint(.get, pattern, .model(view), .predict, listeners, summary)
    }

    private static let operations = [
        operation(.get, "/metrics", .metrics, "All metrics, as Prometheus reads them."),
        operation(.get, "/status", .status, "The state of the appliance."),
        operation(.get, "/drift", .drift, "The state of the drift monitors."),
        operation(.post, "/admin/retrain", .retrain, "Starts a retrain."),
        operation(.post, "/admin/promote", .promote, "Makes a version current."),
        operation(
            .post,
            "/admin/rollback",
            .rollback,
            "Takes the candidate back, or makes the version before current."
        ),
        operation(
            .post,
            "/admin/pin",
            .pin,
            "Keeps a version current, whatever retrains and releases decide."
        ),
        operation(.post, "/admin/unpin", .unpin, "Lets retrains and releases decide again."),
        operation(.post, "/admin/drift/acknowledge", .acknowledge, "Acknowledges a drift alarm."),
        operation(.post, "/admin/log-level", .logLevel, "Changes the level of the log."),
    ]

    private static func instances(_ pattern: String) -> Endpoint {
        Endpoint(
            .post,
            pattern,
            .predict(.instances),
            .predict,
            [.api],
            "Predicts, as KServe V1 and TensorFlow Serving do."
        )
    }

    private static func tensors(_ pattern: String) -> Endpoint {
        Endpoint(
            .post,
            pattern,
            .predict(.tensors),
            .predict,
            [.api],
            "Predicts, by the Open Inference Protocol."
        )
    }

    private static func operation(
        _ method: HTTPMethod,
        _ pattern: String,
        _ action: Action,
        _ summary: String
    ) -> Endpoint {
        Endpoint(method, pattern, action, .operate, [.operations], summary)
    }
}

/// The two doors of the appliance.
package enum Listener: String, CaseIterable, Sendable {
    case api, operations
}
