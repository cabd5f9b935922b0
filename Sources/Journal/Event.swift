// The table of what the broker reports: every kind of event has a name, an identifier that never changes (the
// journal's MESSAGE_ID), a level and a sentence. An event is added here and nowhere else.

package import Logging

/// One kind of event.
package enum Event: String, Sendable, CaseIterable {
    case brokerStarted = "broker_started"
    case brokerReady = "broker_ready"
    case startFailed = "start_failed"
    case listening
    case portInUse = "port_in_use"
    case listenFailed = "listen_failed"
    case workerStarted = "worker_started"
    case workerPrepared = "worker_prepared"
    case workerAdopted = "worker_adopted"
    case layoutCommitted = "layout_committed"
    case workerReady = "worker_ready"
    case workerExited = "worker_exited"
    case workerFailed = "worker_failed"
    case workerWrote = "worker_wrote"
    case workerHung = "worker_hung"
    case workerUnconfined = "worker_unconfined"
    case workerBackingOff = "worker_backing_off"
    case workerGivenUp = "worker_given_up"
    case channelCut = "channel_cut"
    case clientConnected = "client_connected"
    case clientDisconnected = "client_disconnected"
    case clientRefused = "client_refused"
    case connectionAbandoned = "connection_abandoned"
    case inputEndedWorker = "input_ended_worker"
    case frameSkipped = "frame_skipped"
    case takeOver = "take_over"
    case protocolViolation = "protocol_violation"
    case messagesDropped = "messages_dropped"
    case sessionExpired = "session_expired"
    case limitReached = "limit_reached"
    case storeOpened = "store_opened"
    case storeSetAside = "store_set_aside"
    case storeDamaged = "store_damaged"
    case storeFull = "store_full"
    case storeHasRoom = "store_has_room"
    case storeFailed = "store_failed"
    case bridgeConnected = "bridge_connected"
    case bridgeDown = "bridge_down"
    case bridgeRefused = "bridge_refused"
    case bridgeRejected = "bridge_rejected"
    case bridgeNotTaken = "bridge_not_taken"
    case bridgeUnroutable = "bridge_unroutable"
    case bridgeUnmappable = "bridge_unmappable"
    case passwordsRead = "passwords_read"
    case passwordsRefused = "passwords_refused"
    case configurationReloaded = "configuration_reloaded"
    case configurationNeedsRestart = "configuration_needs_restart"
    case configurationRefused = "configuration_refused"
    case upgrading
    case upgradeFailed = "upgrade_failed"
    case rolling
    case parking
    case inheritanceLost = "inheritance_lost"
    case descriptorStoreTooSmall = "descriptor_store_too_small"
    case stopping
    case stopped
    case linesHeldBack = "lines_held_back"
    case linesDropped = "lines_dropped"

    /// What is fixed about a kind of event.
    package struct Description: Sendable {
        /// 128 bits in hexadecimal, for `journalctl MESSAGE_ID=`. Never changed, never used again.
        package let id: String
        package let level: Logger.Level
        /// The sentence; `{name}` stands for a field, `-` is put where it was not given.
        package let template: String
        /// Lines a second that are written of this kind; the others are counted. nil: all.
        package let rate: Int?

        init(_ id: String, _ level: Logger.Level, _ template: String, rate: Int? = nil) {
            self.id = id
            self.level = level
            self.template = template
            self.rate = rate
        }

        /// Whether the sentence has a place for this field.
        func tells(_ field: String) -> Bool {
            template.split(separator: "{", omittingEmptySubsequences: false).dropFirst()
                .contains { $0.prefix { $0 != "}" } == field }
        }
    }

    package var description: Description {
        switch self {
        case .brokerStarted:
            Description("1fdd455ff55c491b8e6a97503d369dc1", .notice, "Apus {version} starts")
        case .brokerReady:
            Description("75703dc9d8fe466a8e6ed3a67f1a7a14", .notice, "ready after {duration_ms} ms")
        case .startFailed:
            Description("5d8be0c2a7934f1fb6c04e1d9a72f835", .error, "the broker can not start: {reason}")
        case .listening:
            Description("6b52e386d59143c7ba366694639659f8", .notice, "{listener} listens on {address} ({protocol})")
        case .portInUse:
            Description("5ed5cd2f0ec6408cad294746fe08fb33", .error, "{address} of {listener} is in use: {reason}")
        case .listenFailed:
            Description("e49a83822b7c4366be4859527fd7ac6e", .error, "{listener} can not listen on {address}: {reason}")
        case .workerStarted:
            Description("fcdedc5cb2994f6a917233130313630f", .info, "{worker} started as process {pid}")
        case .layoutCommitted:
            Description(
                "0d6c3ab7f4b9473f9f0b7c35a1d2e846", .notice,
                "the broker goes over to layout {version}; programs of the former one can not serve it any more")
        case .workerAdopted:
            Description("2671b962d59b4f728eaf081e506d5135", .notice, "{worker} runs on as process {pid}")
        case .workerPrepared:
            Description(
                "4e8b1d93c6f04a7f8d25b9e07c3a6f10", .info, "a successor of {worker} is prepared as process {pid}")
        case .workerReady:
            Description("30aaf4cb9a9343dc929ea47e695a18bd", .info, "{worker} is ready after {duration_ms} ms")
        case .workerExited:
            Description("638cee25e8004506b71d257dfe2b2b72", .warning, "{worker} (process {pid}) ended: {status}")
        case .workerFailed:
            Description("5b2b9a0d84d94f5a8b6c7e0b7a1f3c42", .error, "{worker} can not go on: {reason}")
        case .workerWrote:
            Description(
                "2c7e5d0b94f64a1e8b3f7d6a50c1e928", .error, "{worker} (process {pid}) wrote: {reason}", rate: 20)
        case .workerHung:
            Description(
                "ac8d7e513e6648248fc897b54b232344", .error,
                "{worker} (process {pid}) has not answered for {duration_ms} ms and is killed")
        case .workerUnconfined:
            Description(
                "b3f4a16e0c5d4e7e9a28d07f61c4b95d", .warning, "{worker} keeps rights that it does not need: {reason}")
        case .workerBackingOff:
            Description("16da254c4f5d4db28cced7cb22374584", .warning, "{worker} is started again in {duration_ms} ms")
        case .workerGivenUp:
            Description("395af77a8ed44ef2af60a9cdac9ecade", .error, "{worker} is not started again: {reason}")
        case .channelCut:
            Description(
                "a2f0de089467475ab461d81ab6cbd430", .error, "the channel to {worker} was cut: {reason}", rate: 10)
        case .clientConnected:
            Description("2392b60bba274f52a8407a7b1161ead7", .info, "client {client_id} connected from {peer}")
        case .clientDisconnected:
            Description("fca6d4dbdcea4f999f9eb030f808ec0a", .info, "client {client_id} from {peer} has gone: {reason}")
        case .clientRefused:
            Description(
                "868e7ebf85d849c4b032795ea9c36d69", .notice, "client {client_id} from {peer} was refused: {reason}",
                rate: 10)
        case .connectionAbandoned:
            Description(
                "3f0f9a4be3f1427eb0c7b1c5b55d06a4", .info,
                "a connection from {peer} ended before it was a client: {reason}",
                rate: 10)
        case .inputEndedWorker:
            Description(
                "c0a1e5d27b9f4c36a4e8d90b7f1c2e53", .error,
                "client {client_id} from {peer} is disconnected: what it sent ended its worker twice: {bytes}")
        case .frameSkipped:
            Description(
                "46e82a0ddbe349079aa81bfcc83df044", .error,
                "client {client_id} is disconnected: a message of its ended router after router, and is left out: {bytes}"
            )
        case .takeOver:
            Description(
                "aecd25c0f50c4e51849f87d1e13250c2", .info,
                "client {client_id} connected anew from {peer} and took over", rate: 10)
        case .protocolViolation:
            Description(
                "e7035839e17a4c668a3a3df172c86d52", .notice,
                "client {client_id} from {peer} broke the protocol: {reason}", rate: 10)
        case .messagesDropped:
            Description(
                "e61d2f9b84a74c0d8f3b5a7092ce16d4", .notice,
                "{count} messages for client {client_id} were dropped: {reason}", rate: 10)
        case .sessionExpired:
            Description(
                "27c9f5d01b8e4a63a0e7d4b6815f3c92", .info,
                "the session of client {client_id} has expired, and {count} messages that waited for it are gone",
                rate: 10)
        case .limitReached:
            Description("b69de78ce0f641fc8cedb49967137fe0", .warning, "{limit} is reached: {reason}", rate: 10)
        case .storeOpened:
            Description("5f0c8d6b4a6f4c7d9f3a0d8e1b2c4f60", .notice, "the store is open: {reason}")
        case .storeSetAside:
            Description(
                "9b1de2c7f3a84d5c8e6f7a0b1c2d3e4f", .critical,
                "the store was damaged ({reason}) and is set aside as {file}; recovered of it: {count}")
        case .storeDamaged:
            Description("c41e7f0a92b64d83a5d6e7f8091a2b3c", .critical, "the store is damaged: {reason}")
        case .storeFull:
            Description(
                "e2a5b8c1d4f74a0396c7d8e9f0a1b2c3", .error,
                "the store takes nothing new: {reason}; messages that it would have to keep are refused")
        case .storeHasRoom:
            Description("0d9c8b7a6f5e4d3cab2918273645f0e1", .notice, "the store has room again")
        case .storeFailed:
            Description(
                "7a6b5c4d3e2f41009f8e7d6c5b4a3928", .error,
                "a transaction of the store failed, and nothing of it is acknowledged: {reason}", rate: 10)
        case .bridgeConnected:
            Description("b284334227c04de8a443a4718a6633bc", .notice, "the bridge {reason} RabbitMQ at {address}")
        case .bridgeDown:
            Description(
                "71e7ee9e962241b3a1f7d3e8fb4d2c0b", .warning,
                "the bridge is not connected to RabbitMQ: {reason}; {count} messages wait for it; it tries again",
                rate: 10)
        case .bridgeRefused:
            Description(
                "55408cd07cc541e7937aadacfb15b564", .warning,
                "RabbitMQ has refused {count} messages, the first to {topic}; they are sent again", rate: 1)
        case .bridgeRejected:
            Description(
                "3f1c5a0de78b4c21a9460b7fd2e83c95", .warning,
                "RabbitMQ does not take a message to {topic}, which is left out: {reason}", rate: 1)
        case .bridgeNotTaken:
            Description(
                "556523038c80449a85ea64a95e66e9c4", .warning,
                "the router has refused {count} messages of RabbitMQ's: {reason}",
                rate: 1)
        case .bridgeUnroutable:
            Description(
                "db14b2bd321e4cfd96b2473b3c6df087", .warning,
                "RabbitMQ has no queue for {topic} in the exchange {reason}", rate: 1)
        case .bridgeUnmappable:
            Description(
                "850f0e0c90f341808564ad73bc427f71", .warning, "a message to {topic} can not pass the bridge: {reason}",
                rate: 1)
        case .passwordsRead:
            Description("8b4d214ae2f24ca18340245882092ec4", .notice, "{count} users were read from {file}")
        case .passwordsRefused:
            Description("69b1c474d0d048839a74bf74bd230560", .error, "the password file can not be used: {error}")
        case .configurationReloaded:
            Description("434652b6b7b2439eb2ab13090ec7b831", .notice, "the configuration was read again: {reason}")
        case .configurationNeedsRestart:
            Description("e466e1c182a846f1ad5dcfcec5a180c0", .warning, "these changes wait for a restart: {key}")
        case .configurationRefused:
            Description("cd52c681241c4016b291cd02e3a05026", .error, "the configuration was refused: {error}")
        case .upgrading:
            Description("f30c7e0098c0464bbacef58e04c1435c", .notice, "going over to the new {file}")
        case .upgradeFailed:
            Description("aa7a79bf8a6e490dba25660aab4b4b6d", .error, "{file} is newer and was not taken: {reason}")
        case .rolling:
            Description("f227d7dc7001415196b00a181700b8a5", .notice, "{count} workers are replaced by newer ones")
        case .parking:
            Description(
                "05a1615b68e2490a889a09649b17514d", .notice,
                "restarting: {count} connections wait with the service manager for the next process")
        case .inheritanceLost:
            Description("6d83c43b471e4f819863a97857b00550", .error, "{key} of the former process is lost: {reason}")
        case .descriptorStoreTooSmall:
            Description(
                "d11c2df48531457c9f14f02b20083268", .warning,
                "nothing outlives the supervisor: {reason}. Where it is restarted or killed, clients are disconnected")
        case .stopping:
            Description("a82046895b58497281d7a15dd4e137a8", .notice, "stopping: {reason}")
        case .stopped:
            Description("60e3c7a97a6b452199f6860781dba578", .notice, "stopped after {duration_ms} ms")
        case .linesHeldBack:
            Description("760b77380ff945c1a8e6a822b46aaedf", .notice, "{count} more lines like {key} were held back")
        case .linesDropped:
            Description(
                "9f085e6bc9f44e89be5bd392dd6b5b8d", .warning, "{count} log lines were dropped: they came too fast")
        }
    }

    /// The sentence with its fields put in.
    package func message(
        _ fields: KeyValuePairs<Field, String>, of subject: KeyValuePairs<Field, String> = [:]
    ) -> String {
        var message = ""
        var rest = Substring(description.template)
        while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
            let name = rest[rest.index(after: open)..<close]
            message += rest[..<open]
            let value = fields.first { $0.key.rawValue == name } ?? subject.first { $0.key.rawValue == name }
            message += value?.value ?? "-"
            rest = rest[rest.index(after: close)...]
        }
        return message + rest
    }
}
