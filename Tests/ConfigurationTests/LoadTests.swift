import Glibc
import Testing

@testable import Configuration

@Suite struct LoadTests {
    @Test func theEnvironmentNamesTheFolders() throws {
        let configuration = try Configuration.load(
            path: nil, environment: ["STATE_DIRECTORY": "/s:/t", "RUNTIME_DIRECTORY": "/r"])
        #expect(configuration.stateDirectory == "/s")
        #expect(configuration.runtimeDirectory == "/r")
        #expect(configuration.listeners == Configuration.defaultListeners)
    }

    @Test func withoutAnEnvironmentTheUserDecides() {
        let environment = ["HOME": "/home/u", "XDG_RUNTIME_DIR": "/run/user/7", "STATE_DIRECTORY": "relative"]
        let configuration = Configuration.defaults(environment: environment)
        let candidates = Configuration.runtimeDirectories(environment: environment)
        #expect(configuration.runtimeDirectory == candidates[0])
        #expect(Set(candidates).isSuperset(of: ["/run/apus", "/run/user/7/apus"]))
        if geteuid() == 0 {
            #expect(configuration.stateDirectory == "/var/lib/apus")
            #expect(candidates == ["/run/apus", "/run/user/7/apus", "/var/lib/apus/run"])
        } else {
            #expect(configuration.stateDirectory == "/home/u/.local/state/apus")
            #expect(candidates == ["/run/user/7/apus", "/home/u/.local/state/apus/run", "/run/apus"])
        }
    }

    @Test func theFileWinsOverTheEnvironment() throws {
        try withFile("state_dir = \"/file\"\n") { path in
            let configuration = try Configuration.load(path: path, environment: ["STATE_DIRECTORY": "/s"])
            #expect(configuration.stateDirectory == "/file")
        }
    }

    @Test func aFileThatCanNotBeReadSaysSo() throws {
        let error = try #require(throws: ConfigurationErrors.self) {
            try Configuration.load(path: "/nonexistent/apus.toml", environment: [:])
        }
        #expect(error.description == "/nonexistent/apus.toml: can not be opened: No such file or directory")
        let folder = try #require(throws: ConfigurationErrors.self) {
            try Configuration.load(path: "/", environment: [:])
        }
        #expect(folder.description == "/: can not be read: Is a directory")
        let endless = try #require(throws: ConfigurationErrors.self) {
            try Configuration.load(path: "/dev/zero", environment: [:])
        }
        #expect(endless.description == "/dev/zero: is larger than 1 MiB: not a configuration file")
    }

    @Test func onlyUTF8IsRead() throws {
        try withFile([0x23, 0xff, 0x0a]) { path in
            let error = try #require(throws: ConfigurationErrors.self) {
                try Configuration.load(path: path, environment: [:])
            }
            #expect(error.description == "\(path): is not valid UTF-8")
        }
    }

    private func withFile(_ text: String, _ body: (String) throws -> Void) throws {
        try withFile(Array(text.utf8), body)
    }

    /// Runs `body` with the path of a file of these bytes, which is gone afterwards.
    private func withFile(_ bytes: [UInt8], _ body: (String) throws -> Void) throws {
        var path = Array("/tmp/apus-configuration-XXXXXX".utf8CString)
        let descriptor = unsafe mkstemp(&path)
        try #require(descriptor >= 0)
        let name = String(decoding: path.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer {
            close(descriptor)
            unsafe unlink(name)
        }
        try #require(unsafe write(descriptor, bytes, bytes.count) == bytes.count)
        try body(name)
    }
}
