// A CSMS that is not ours: npm ocpp-rpc in strict mode, so that its validator judges every frame in both directions.
//
// Controlled over stdin, one JSON object a line: {"n": 1, "cmd": "call", ...}; answers {"re": 1, ...} and news
// {"event": "call", ...} go to stdout, one a line. It ends when stdin does.
'use strict';

const https = require('https');
const readline = require('readline');
const { RPCServer, NOREPLY, createRPCError } = require('ocpp-rpc');

const SPOKEN = ['ocpp2.0.1', 'ocpp1.6'];

const fresh = () => ({
    protocols: SPOKEN, // best first
    boot: { status: 'Accepted', interval: 300 },
    tokens: {}, // token -> status word; others get `token`
    token: 'Accepted',
    tokenInfo: {}, // token -> further members of idTagInfo or idTokenInfo
    rules: [], // exceptional treatment of calls, see `treat`
    refuse: null, // HTTP status for every upgrade
    subprotocol: true, // false: open without having agreed on one
    password: null, // Basic auth that is asked for
    passwordHex: null, // the same, as bytes
    identities: null, // who is known; null: everybody
    firstTx: 0, // 1.6: the first transactionId; 0 is a legal one
    clock: { real: 0, at: 0, speed: 1 }, // a CSMS whose time runs as fast as the station's
});

let policy = fresh();

let server = null;
let http = null;
const secured = []; // listeners with TLS
let connections = 0;
let nextTx = null;
let epoch = 0; // grows with every `reset`: lines of an earlier test have nothing to say
const clients = new Set();

const tell = (message) => process.stdout.write(JSON.stringify(message) + '\n');
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function time() {
    const { real, at, speed } = policy.clock;
    return new Date(at + (Date.now() - real) * speed).toISOString();
}

function info(token) {
    return { status: policy.tokens[token] ?? policy.token, ...policy.tokenInfo[token] };
}

function transactionId() {
    nextTx = nextTx === null ? policy.firstTx : nextTx + 1;
    return nextTx;
}

const ANSWERS = {
    'ocpp1.6': {
        BootNotification: () => ({ ...policy.boot, currentTime: time() }),
        Heartbeat: () => ({ currentTime: time() }),
        Authorize: ({ idTag }) => ({ idTagInfo: info(idTag) }),
        StartTransaction: ({ idTag }) => ({ transactionId: transactionId(), idTagInfo: info(idTag) }),
        StopTransaction: ({ idTag }) => (idTag === undefined ? {} : { idTagInfo: info(idTag) }),
        MeterValues: () => ({}),
        StatusNotification: () => ({}),
        SecurityEventNotification: () => ({}),
        SignCertificate: () => ({ status: 'Accepted' }),
        DataTransfer: () => ({ status: 'Accepted' }),
    },
    'ocpp2.0.1': {
        BootNotification: () => ({ ...policy.boot, currentTime: time() }),
        Heartbeat: () => ({ currentTime: time() }),
        Authorize: ({ idToken }) => ({ idTokenInfo: info(idToken.idToken) }),
        TransactionEvent: ({ idToken }) => (idToken === undefined ? {} : { idTokenInfo: info(idToken.idToken) }),
        MeterValues: () => ({}),
        StatusNotification: () => ({}),
        NotifyEvent: () => ({}),
        NotifyReport: () => ({}),
        ReportChargingProfiles: () => ({}),
        SecurityEventNotification: () => ({}),
        FirmwareStatusNotification: () => ({}),
        LogStatusNotification: () => ({}),
        SignCertificate: () => ({ status: 'Accepted' }),
        DataTransfer: () => ({ status: 'Accepted' }),
    },
};

// The first rule that fits a call, spent unless it is to last. `has`: members that the payload must have.
function ruleFor(action, params) {
    const index = policy.rules.findIndex(
        (rule) =>
            (rule.action === action || rule.action === '*') &&
            Object.entries(rule.has ?? {}).every(([name, value]) => params[name] === value)
    );
    if (index < 0) return null;
    const rule = policy.rules[index];
    rule.times = (rule.times ?? 1) - 1;
    if (rule.times <= 0) policy.rules.splice(index, 1);
    return rule;
}

async function treat(rule, client, messageId, answer) {
    switch (rule.do) {
        case 'delay':
            await pause(rule.ms);
            return answer();
        case 'error':
            throw createRPCError(rule.code ?? 'InternalError', rule.text ?? 'as told', {});
        case 'never':
            return NOREPLY;
        case 'lose': // the line breaks after we have understood, before the answer leaves
            client._ws.terminate();
            return NOREPLY;
        case 'close':
            client._ws.close(rule.code, 'as told');
            return NOREPLY;
        case 'answer':
            return rule.payload;
        case 'twice': {
            const payload = answer();
            client.sendRaw(JSON.stringify([3, messageId, payload]));
            return payload;
        }
        case 'raw':
            for (const text of rule.texts) client.sendRaw(text.replaceAll('$id', messageId));
            return rule.then ? answer() : NOREPLY;
        default:
            throw new Error(`no such rule: ${rule.do}`);
    }
}

function serve(client) {
    const born = epoch;
    const say = (message) => born === epoch && tell(message);
    const conn = ++connections;
    clients.add(client);
    const protocol = client.protocol ?? '';
    const { socket } = client.handshake.request;
    say({ event: 'open', conn, protocol, offered: [...client.handshake.protocols], endpoint: client.handshake.endpoint,
        port: socket.localPort, tls: socket.encrypted ? socket.getProtocol() : null, ...certificateOf(socket),
        password: client.handshake.password?.toString('hex') ?? null });
    client.on('close', ({ code, reason }) => {
        clients.delete(client);
        say({ event: 'close', conn, code, reason });
    });
    client.on('strictValidationFailure', ({ method, error, outbound, isCall, messageId }) => {
        // outbound: what this script itself wrote is wrong, or was made wrong on purpose
        say({ event: 'invalid', conn, id: messageId, action: method, by: outbound ? 'csms' : 'station', isCall,
            error: error.message });
    });
    client.on('badMessage', ({ buffer, error }) => {
        say({ event: 'bad', conn, text: buffer.toString('utf8').slice(0, 2000), error: error.message });
    });
    client.on('call', ({ outbound, payload }) => {
        if (!outbound) say({ event: 'call', conn, protocol, id: payload[1], action: payload[2], payload: payload[3] });
    });
    client.on('response', ({ outbound, payload }) => {
        if (!outbound && payload[0] === 4) say({ event: 'callerror', by: 'station', conn, id: payload[1], frame: payload });
        if (outbound && payload[0] === 4) say({ event: 'callerror', by: 'csms', conn, id: payload[1], frame: payload });
        if (outbound && payload[0] === 3) say({ event: 'answer', conn, id: payload[1], payload: payload[2] });
    });
    client.handle(async ({ messageId, method, params }) => {
        const known = ANSWERS[protocol]?.[method];
        if (known === undefined) throw createRPCError('NotImplemented', method, {});
        const rule = ruleFor(method, params);
        return rule === null ? known(params) : treat(rule, client, messageId, () => known(params));
    });
}

// Who has shown a certificate (profile 3).
function certificateOf(socket) {
    const shown = socket.encrypted ? socket.getPeerCertificate() : {};
    return { station: shown.subject?.CN ?? null, serial: shown.serialNumber?.toLowerCase() ?? null };
}

function asked(password) {
    if (policy.passwordHex !== null) return password?.toString('hex') === policy.passwordHex;
    return policy.password === null || password?.toString('utf8') === policy.password;
}

function newest() {
    const client = [...clients].at(-1);
    if (client === undefined) throw new Error('no station is connected');
    return client;
}

const COMMANDS = {
    async listen({ port }) {
        server = new RPCServer({
            protocols: SPOKEN,
            strictMode: true,
            callTimeoutMs: 10_000,
            callConcurrency: 10,
            pingIntervalMs: 0,
        });
        server.auth((accept, reject, handshake) => {
            if (policy.refuse !== null) return reject(policy.refuse, 'as told');
            if (policy.identities !== null && !policy.identities.includes(handshake.identity)) return reject(404);
            // A client certificate is proof enough (profile 3).
            if (certificateOf(handshake.request.socket).station === null && !asked(handshake.password)) return reject(401);
            if (!policy.subprotocol) return accept({}, false);
            const chosen = policy.protocols.find((one) => handshake.protocols.has(one));
            return chosen === undefined ? reject(400, 'no common subprotocol') : accept({}, chosen);
        });
        const born = epoch;
        server.on('upgradeAborted', ({ error }) => born === epoch && tell({ event: 'refused', code: error?.code ?? 0 }));
        server.on('client', serve);
        http = await server.listen(port, '127.0.0.1');
        return { port: http.address().port };
    },

    // One more place to be called at, with TLS; `tls`: options of Node's tls.createServer.
    async secure({ port, tls }) {
        const listener = https.createServer({ ...tls }, (_, answer) => answer.writeHead(404).end());
        const born = epoch;
        listener.on('upgrade', server.handleUpgrade);
        listener.on('tlsClientError', (error) => born === epoch && tell({ event: 'tls', error: error.code ?? error.message }));
        await new Promise((done, failed) => listener.once('error', failed).listen(port, '127.0.0.1', done));
        secured.push(listener);
        return { port: listener.address().port };
    },

    // Nobody listens with TLS any more.
    async unsecure() {
        for (const listener of secured.splice(0)) {
            listener.close();
            listener.closeAllConnections();
        }
        return {};
    },

    // Nobody listens any more, and every line breaks without a word (or, with a code, with a close frame).
    async stop({ code }) {
        http.close();
        for (const client of [...clients]) {
            if (code === undefined) client._ws.terminate();
            else client._ws.close(code, 'as told');
        }
        http.closeAllConnections();
        return {};
    },

    // As if started anew, for the next test: starting Node and compiling the schemas takes longer than most tests.
    async reset() {
        epoch += 1;
        await COMMANDS.unsecure();
        if (http !== null) await COMMANDS.stop({});
        http = null;
        policy = fresh();
        nextTx = null;
        return {};
    },

    async close({ code }) {
        newest()._ws.close(code, 'as told');
        return {};
    },

    async lose() {
        newest()._ws.terminate();
        return {};
    },

    async policy({ set }) {
        Object.assign(policy, set);
        return {};
    },

    async raw({ text }) {
        newest().sendRaw(text);
        return {};
    },

    async call({ action, payload }) {
        const begun = process.hrtime.bigint();
        const client = newest();
        let outcome;
        try {
            outcome = { result: await client.call(action, payload) };
        } catch (error) {
            outcome = { error: { code: error.rpcErrorCode ?? error.name, text: error.message } };
        }
        return { ...outcome, ms: Number(process.hrtime.bigint() - begun) / 1e6 };
    },
};

async function obey(line) {
    const { n, cmd, ...rest } = JSON.parse(line);
    try {
        tell({ re: n, ...(await COMMANDS[cmd](rest)) });
    } catch (error) {
        tell({ re: n, failed: `${error.name}: ${error.message}` });
    }
}

const input = readline.createInterface({ input: process.stdin });
input.on('line', obey);
input.on('close', () => process.exit(0));
