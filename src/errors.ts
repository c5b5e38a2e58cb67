/**
 * Every error that Hypha tells a person or a peer, in one table. A code is never reused for another meaning, and
 * `docs/errors.md` is this table (a test keeps them equal).
 *
 * `act` says who can mend it; the command line turns it into its exit code.
 */
export type Actor =
  /** The caller mends the input: a wrong argument, a wrong file. Exit code 2. */
  | 'caller'
  /** The author of a module or an app mends the source. Exit code 3. */
  | 'author'
  /** The operator of the fleet decides or repairs. Exit code 4. */
  | 'operator'
  /** It passes: try again. Exit code 5. */
  | 'later'
  /** A peer broke the protocol or the trust rules: nothing for the reader to mend, the message is dropped. Exit code 6. */
  | 'peer'
  /** A defect of Hypha itself. Exit code 1. */
  | 'hypha'

interface ErrorEntry {
  readonly act: Actor
  /** What the code means, in one sentence. */
  readonly means: string
  /** What to do about it, in one sentence. */
  readonly mend: string
}

export const errorTable = {
  // Bytes and messages
  'bytes-truncated': {
    act: 'peer',
    means: 'The bytes end before the value that they announce.',
    mend: 'Transfer or build the file again.',
  },
  'bytes-malformed': {
    act: 'peer',
    means: 'The bytes are not of the form that they should have.',
    mend: 'Check that the file or the message is of the kind that was named.',
  },
  'bytes-too-long': {
    act: 'peer',
    means: 'A value is over its cap.',
    mend: 'Make it smaller; the caps stand in docs/protocol.md.',
  },
  'message-malformed': {
    act: 'peer',
    means: 'A message lacks a field, or a field is of another type or outside its range.',
    mend: 'Bring both sides to versions that speak the same protocol.',
  },
  // Deltas
  'delta-malformed': {
    act: 'peer',
    means: 'A patch does not obey its format, or does not fit the file that it is applied to.',
    mend: 'Make the patch again, from the very file that it is to be applied to.',
  },
  'delta-base-wrong': {
    act: 'caller',
    means: 'A patch was made from another file than the one that it is applied to.',
    mend: 'Apply it to the file that it was made from; hypha delta show prints its SHA-256.',
  },
  'delta-too-large': {
    act: 'caller',
    means: 'A file is longer than the 64 MiB that a patch may be made from or make.',
    mend: 'Send the file whole.',
  },
  // Names
  'id-invalid': {
    act: 'caller',
    means: 'A name is not made of 1 to 40 characters from a-z, 0-9 and the hyphen, beginning with a letter or digit.',
    mend: 'Choose another name.',
  },
  'topic-invalid': {
    act: 'caller',
    means: 'An MQTT topic or filter is not well-formed or too long.',
    mend: 'Use levels without +, # or NUL in a topic; + alone in a level and # last in a filter.',
  },
  // WebAssembly modules and components
  'wasm-malformed': {
    act: 'author',
    means: 'The bytes are not a well-formed WebAssembly module.',
    mend: 'Build the module again; if its compiler made it so, report it there.',
  },
  'wasm-unsupported': {
    act: 'author',
    means: 'A WebAssembly module uses an opcode or a form that Hypha does not know.',
    mend: 'Build the module for a plainer target: the features that Hypha knows stand in docs/architecture.md.',
  },
  'wasm-memory': {
    act: 'author',
    means: 'What a module says of its memory contradicts itself or exceeds what it is given.',
    mend: 'Lower the initial memory, or give the module more in hypha.toml.',
  },
  'component-malformed': {
    act: 'author',
    means: 'The bytes are not a well-formed WebAssembly component.',
    mend: 'Build the component again with `hypha build`.',
  },
  'component-unsupported': {
    act: 'author',
    means: 'A component uses a part of the component model that Hypha does not carry.',
    mend: 'Import and export interfaces only, and functions without async.',
  },
  'wit-type-unsupported': {
    act: 'author',
    means: 'An interface has a type that cannot cross by value: a resource, a handle, a stream or a future.',
    mend: 'Pass a record, a list or an id in its place.',
  },
  'wasi-refused': {
    act: 'author',
    means: 'A module imports a WASI interface that Hypha does not give to modules.',
    mend: 'Use the host interface that the message names, or leave the call out.',
  },
  'abi-trap': {
    act: 'author',
    means: 'A module broke the canonical ABI: a pointer, a discriminant, a character or a text that cannot be.',
    mend: 'The turn is discarded; mend the module or build it again with current bindings.',
  },
  'abi-value': {
    act: 'hypha',
    means: 'A value that was to go to a module is not of its WIT type.',
    mend: 'Pass a value of the type that the message names.',
  },
  'values-malformed': {
    act: 'peer',
    means: 'The arguments or the result of a call over a link are not of their WIT types.',
    mend: 'Run releases on both nodes whose interfaces agree.',
  },
  'values-too-large': {
    act: 'author',
    means: 'The arguments or the result of a call over a link take more than 49,152 bytes.',
    mend: 'Pass less in one call, or let the modules share a cell.',
  },
  // Certificates, joining, the broker and the link to it
  'ca-unusable': {
    act: 'operator',
    means: "The certificate authority's files can't be used.",
    mend: 'Restore the certificate and the key of the CA from the backup, or replace it: hypha ca rotate.',
  },
  'join-url-invalid': {
    act: 'caller',
    means: 'The text is not a join URL.',
    mend: 'Copy the whole URL that `hypha invite` printed, in quotes.',
  },
  'join-unreachable': {
    act: 'later',
    means: "The gateway can't be reached, or the connection to it was cut.",
    mend: 'Check the address and the network, then run the same command again: the invitation still holds.',
  },
  'join-ca-mismatch': {
    act: 'operator',
    means:
      "Who answers at the gateway's address can't prove to be the gateway that the join URL, or root metadata since then, names.",
    mend: 'Check the address; if it is right, someone else answers there. Nothing of the node was sent to it.',
  },
  'join-root-mismatch': {
    act: 'operator',
    means: "The gateway's root metadata is not the one that the join URL names.",
    mend: 'Ask for a new invitation, made by the gateway that the node is to trust.',
  },
  'join-token-unknown': {
    act: 'operator',
    means: 'The gateway knows no invitation with this token for this node.',
    mend: 'Ask for a new invitation (`hypha invite`); it may have been withdrawn.',
  },
  'join-token-expired': {
    act: 'operator',
    means: 'The invitation has expired.',
    mend: 'Ask for a new invitation (`hypha invite`).',
  },
  'join-token-used': {
    act: 'operator',
    means: 'The invitation was used by another key.',
    mend: 'If the node was not yet joined, someone else used its invitation: remove the node, then invite it again.',
  },
  'join-proof-invalid': {
    act: 'peer',
    means: "The request to join is not signed by the node's own key.",
    mend: 'Join from the node itself, with its own key file.',
  },
  'site-refused': {
    act: 'peer',
    means: 'Who opened an uplink is no site that has joined, or said what a site may not say.',
    mend: 'Join again with a fresh URL: hypha site invite NAME --replace at the upstream, hypha join-upstream URL at the site.',
  },
  'site-revoked': {
    act: 'operator',
    means: 'The site was revoked at its upstream: its uplink is refused, and nothing runs for it there.',
    mend: 'If it is to come back: hypha site invite NAME --replace at the upstream, hypha join-upstream URL at the site.',
  },
  'site-left': {
    act: 'operator',
    means: 'The site has left its upstream.',
    mend: 'If it is to come back: hypha site invite NAME --replace at the upstream, hypha join-upstream URL at the site.',
  },
  'upstream-joined': {
    act: 'caller',
    means: 'This gateway has joined an upstream already; it can have one.',
    mend: 'To join another, leave the present one first: hypha leave-upstream.',
  },
  'upstream-none': {
    act: 'caller',
    means: 'This gateway has no upstream.',
    mend: 'Join one with a URL from there: hypha join-upstream URL.',
  },
  'uplink-offline': {
    act: 'later',
    means: 'There is no connection between a site and its upstream now, or it was cut.',
    mend: 'The site connects again by itself, and catches up; see hypha status there.',
  },
  'node-revoked': {
    act: 'operator',
    means: 'The node was revoked: its certificate and its keys count no more.',
    mend: 'If it was not lost after all, invite it anew (`hypha invite NAME --replace`), then `hypha-agent join URL --again` on it.',
  },
  'cloned-identity': {
    act: 'operator',
    means: 'Two machines have the keys of one node, for example because a card was copied: neither is let in.',
    mend: '`hypha invite NAME --replace`, then `hypha-agent join URL --again` on the genuine one; invite the other under a name of its own.',
  },
  'broker-not-listening': {
    act: 'operator',
    means: "The broker can't open its port.",
    mend: 'Choose another port, or end the program that holds it.',
  },
  'link-offline': {
    act: 'later',
    means: 'There is no connection to the broker, or it was cut before the message was acknowledged.',
    mend: 'The node connects again by itself; what matters is sent again then.',
  },
  'link-busy': {
    act: 'later',
    means: 'More messages wait for an acknowledgement than the link holds.',
    mend: 'Wait for earlier ones to be acknowledged.',
  },
  'ack-beyond-sent': {
    act: 'operator',
    means: 'The gateway has acknowledged entries of a journal that the node never sent. The node passes over it.',
    mend: 'See whether two devices have the same disk (`hypha nodes`); join one of them anew.',
  },
  'link-refused': {
    act: 'operator',
    means: 'The broker refused the connection.',
    mend: "See whether the node was removed or its certificate has expired (`hypha node`), and look into the gateway's log.",
  },
  'link-denied': {
    act: 'operator',
    means: 'The broker refused a subscription.',
    mend: "A node reaches only its own topics; the gateway's log says which rule refused.",
  },
  // Trust: envelopes, metadata, and what they let run
  'envelope-malformed': {
    act: 'peer',
    means: 'The bytes are not a COSE envelope of the form that Hypha signs.',
    mend: 'Sign it again with this version of Hypha; if it came from elsewhere, drop it.',
  },
  'envelope-kind': {
    act: 'peer',
    means: 'A signed envelope is of another kind than is expected here.',
    mend: 'Check that the file or message is the one that was named.',
  },
  'signature-invalid': {
    act: 'peer',
    means: 'A signature by a key that is trusted does not verify: the bytes were changed, or another key made it.',
    mend: 'Fetch it again; if it stays so, someone changes it on the way.',
  },
  'threshold-not-met': {
    act: 'operator',
    means: 'Fewer of the keys that must sign have signed than the root metadata asks for.',
    mend: 'Have it signed by more holders of that role, or check that the fleet is the right one.',
  },
  'root-unusable': {
    act: 'operator',
    means: 'Root metadata has a role that could never be met, or one key in roles that must be apart.',
    mend: 'Give each role at least as many different keys as its threshold, and the gateway a key of its own.',
  },
  'root-version': {
    act: 'peer',
    means: 'New root metadata does not carry the version that follows the one held.',
    mend: 'Send all versions in between, in order.',
  },
  'metadata-expired': {
    act: 'operator',
    means: 'Signed metadata has expired.',
    mend: "Have it signed anew; if it is fresh, check the node's clock and the gateway's.",
  },
  'metadata-invalid': {
    act: 'peer',
    means: 'Signed metadata contradicts itself.',
    mend: 'Report it with the whole message: a correct signer does not make such.',
  },
  'wrong-fleet': {
    act: 'peer',
    means: 'Signed metadata is meant for another fleet.',
    mend: 'Use the keys and the project of this fleet.',
  },
  'wrong-node': {
    act: 'peer',
    means: 'A directive is meant for another node.',
    mend: 'Nothing: the node goes on with the directive that it holds.',
  },
  'wrong-app': {
    act: 'peer',
    means: 'A release is of another app than the one it was named for.',
    mend: 'Nothing: the node goes on with what it has confirmed.',
  },
  'directive-rollback': {
    act: 'operator',
    means: 'A directive is older than the one that the node holds.',
    mend: 'If the gateway was restored from a backup, it goes on by itself from the version that the node proves.',
  },
  'directive-conflict': {
    act: 'operator',
    means: 'Two different directives to one node carry the same version.',
    mend: 'See that only one gateway with this key runs; its next directive has a higher version.',
  },
  'directive-versions-spent': {
    act: 'operator',
    means: 'A node holds a directive with a version, an epoch or a time that no gateway comes to: none can follow it.',
    mend: "Take the gateway's key for stolen, and replace it with hypha key rotate gateway: with it the node forgets what it holds, and its versions begin anew.",
  },
  'release-pending': {
    act: 'operator',
    means: 'A release waits for signatures: fewer keys of the release role have signed it than must.',
    mend: 'Let another hand sign it: hypha sign APP@NUMBER.',
  },
  'release-below-floor': {
    act: 'operator',
    means: "A release is below the floor that the app's releases have set: it must not run any more.",
    mend: 'Choose a newer release.',
  },
  'digest-mismatch': {
    act: 'peer',
    means: 'Bytes have another SHA-256 digest than the signed metadata names.',
    mend: 'Fetch them again; if it stays so, someone changes them on the way.',
  },
  'size-mismatch': {
    act: 'peer',
    means: 'Bytes have another size than the signed metadata names.',
    mend: 'Fetch them again; if it stays so, someone changes them on the way.',
  },
  'content-unlisted': {
    act: 'peer',
    means: 'A directive names a module, a form or a content that the signed release does not have.',
    mend: 'Nothing: the node goes on with what it has confirmed.',
  },
  'content-missing': {
    act: 'peer',
    means: 'What an instance needs is not among the contents of its directive.',
    mend: 'Nothing: the node goes on with what it has confirmed.',
  },
  'import-not-linked': {
    act: 'peer',
    means: 'A module imports an interface that its directive does not link.',
    mend: 'Nothing: an instance sees only what its directive lists. Report it: a correct gateway links every import.',
  },
  'link-invalid': {
    act: 'peer',
    means: 'A directive links something that a module does not import, or to a module that does not export it.',
    mend: 'Nothing: the node goes on with what it has confirmed.',
  },
  'setting-sealed-wrong': {
    act: 'operator',
    means: "A secret setting can't be opened with this node's key.",
    mend: 'Set it again (`hypha config set --secret`): the node may have joined anew since, with new keys.',
  },
  'box-key-invalid': {
    act: 'peer',
    means: 'An X25519 public key is one that no one can receive secrets with.',
    mend: 'Have the node join again, with a new key.',
  },
  'section-superseded': {
    act: 'later',
    means: 'A newer directive came while a section of an older one was being prepared.',
    mend: 'Nothing: the node prepares the newer one.',
  },
  'commit-mismatch': {
    act: 'operator',
    means: 'A commit names another release than the directive asks to prepare in the same epoch.',
    mend: 'See that only one gateway with this key runs; the node goes on with what it runs.',
  },
  'rules-order': {
    act: 'hypha',
    means: 'The checks of trust were called out of their order.',
    mend: 'Report it with the whole message.',
  },
  // Keys of people
  'gateway-key-missing': {
    act: 'operator',
    means: "The gateway has no key that root metadata names, so it can't sign what nodes would accept.",
    mend: 'Bring the key file that root names back into the folder keys, or make a new key with hypha key rotate gateway and have it signed by the holders of the root keys.',
  },
  'key-file-exists': {
    act: 'caller',
    means: 'There is a key file already where a new one was to be written.',
    mend: 'Choose another path; a key that is lost is lost for good, so nothing is overwritten.',
  },
  'key-file-missing': {
    act: 'caller',
    means: 'There is no key file at this path.',
    mend: 'Bring the key file that `hypha init` made, or name its path.',
  },
  'key-file-malformed': {
    act: 'caller',
    means: 'A file is not a key file of Hypha, or was changed.',
    mend: 'Bring it back from your backup.',
  },
  'key-file-exposed': {
    act: 'caller',
    means: 'A key file or its folder can be read or changed by others.',
    mend: 'Set its mode to 0600 (the folder: 0700), and replace the key if others may have read it.',
  },
  'passphrase-wrong': {
    act: 'caller',
    means: 'The passphrase does not open the key file.',
    mend: 'Try again.',
  },
  'passphrase-needed': {
    act: 'caller',
    means: 'A key is locked, and there is no passphrase to open it with.',
    mend: 'Give the passphrase, or unlock the key for a while with `hypha key unlock`.',
  },
  'runtime-folder-missing': {
    act: 'caller',
    means: 'This machine has no folder in memory where an unlocked key could be kept.',
    mend: 'Give the passphrase each time.',
  },
  // Building an app
  'manifest-missing': {
    act: 'caller',
    means: 'The folder holds no hypha.toml.',
    mend: 'Name the folder of an app, or make one with "hypha new".',
  },
  'link-unresolvable': {
    act: 'author',
    means:
      'The modules of an app import from each other what none exports, what several do, what is of another type, or go round in a circle.',
    mend: 'Mend the import, or the interface that it names; docs/modules.md says how modules import each other.',
  },
  'link-hint-unknown': {
    act: 'author',
    means: 'The file hypha.toml says something of a link that its module does not have.',
    mend: 'Name an interface that the module imports from another module of the app.',
  },
  'manifest-invalid': {
    act: 'author',
    means: 'The file hypha.toml has a key or a value that it can not have.',
    mend: 'Correct the line; docs/modules.md lists the keys.',
  },
  'source-missing': {
    act: 'author',
    means: 'A module has no sources that Hypha can build.',
    mend: 'Put assembly/index.ts, *.c, Cargo.toml or one *.wasm into the folder that "source" names.',
  },
  'compile-failed': {
    act: 'author',
    means: 'The compiler refuses the sources of a module.',
    mend: 'Correct what the compiler names.',
  },
  'tool-missing': {
    act: 'caller',
    means: 'A compiler that a module needs is not installed.',
    mend: 'Install it as the message says.',
  },
  'wit-invalid': {
    act: 'author',
    means: 'A WIT file can not be read, or uses what can not cross between modules by value.',
    mend: 'Correct the line that is named.',
  },
  'world-invalid': {
    act: 'author',
    means: 'What a module imports or exports is no whole interface that Hypha or the app knows.',
    mend: 'Implement the functions that are named, or state the interface in the wit folder of the app.',
  },
  'template-unknown': {
    act: 'caller',
    means: 'There is no template of that name.',
    mend: 'Choose one of assemblyscript, c, rust, prebuilt.',
  },
  'folder-occupied': {
    act: 'caller',
    means: 'The folder to be made is there already and not empty.',
    mend: 'Choose another folder.',
  },
  // Files, the journal, contents, and installing
  'disk-full': {
    // It passes when there is room again: what was to be written is tried again.
    act: 'later',
    means: 'There is no space left on the disk.',
    mend: 'Free space; what was not written is tried again, and telemetry that found no room is reported as a gap.',
  },
  'file-failed': {
    act: 'operator',
    means: "A file can't be read or written.",
    mend: 'Check who owns the folder and whether the disk is healthy; the message names the file.',
  },
  'journal-full': {
    act: 'later',
    means: "The node's journal has reached its cap with records that may not be dropped.",
    mend: "Bring the node into reach of its gateway, or raise the journal's cap in its file.",
  },
  'journal-damaged': {
    act: 'operator',
    means: "A part of the node's journal can't be read any more.",
    mend: 'The node goes on, and reports a gap; replace its disk or card if it happens again.',
  },
  'content-mismatch': {
    act: 'peer',
    means: 'What was received for a content has another digest, size or encoding than the directive says.',
    mend: 'It was discarded. Push the release again if it happens to every node.',
  },
  'patch-base-missing': {
    act: 'peer',
    means: 'A content is to come as a patch of one that this node does not hold, or holds damaged.',
    mend: 'Nothing: the gateway learns of it from the state of the node, and sends the content whole.',
  },
  'patch-not-made': {
    act: 'hypha',
    means: 'The gateway could not make a patch of a content: it took too long or too much memory, or met a defect.',
    mend: 'Nothing: the content travels whole. Report it if it happens with modules of some hundred kilobytes.',
  },
  'patch-not-applied': {
    act: 'peer',
    means: 'The thread in which a node applies patches ended before it was done: it found no memory, or a defect.',
    mend: 'Nothing: the gateway learns of it from the state of the node, and sends the content whole.',
  },
  'receive-ended': {
    act: 'later',
    means: 'Receiving a content was ended before it was whole.',
    mend: 'Nothing: what is there already is kept, and used when it is asked for again.',
  },
  'update-unsupported': {
    act: 'operator',
    means:
      "A node was given a release of its own program and can't go back to another: an agent that no launcher has started, or a board whose firmware can't be written over its line.",
    mend: 'Update the checkout, or install the agent with the line that hypha invite prints; flash the board.',
  },

  // The gateway's database, ingest and distribution
  'store-unusable': {
    act: 'operator',
    means: "The gateway's database can't be opened.",
    mend: "See that the gateway's folder exists and belongs to it, and that the disk is neither full nor read-only.",
  },
  'store-newer': {
    act: 'operator',
    means: "The gateway's database was written by a later version of Hypha.",
    mend: 'Run that version, or restore a backup made by this one.',
  },
  'store-conflict': {
    act: 'caller',
    means: 'Something with this name or number is there already, with other contents.',
    mend: 'Choose another name, or remove the old one first.',
  },
  'report-malformed': {
    act: 'peer',
    means:
      "A node's report contradicts itself: columns of different lengths, an index out of range, a sequence number twice.",
    mend: 'Update the agent on that node; until then its telemetry is not stored.',
  },
  'report-refused': {
    act: 'peer',
    means: 'A node reports more series or journals than one node may have.',
    mend: 'See what the node runs; an unknown journal for each start points to a storage that is wiped.',
  },
  'want-refused': {
    act: 'peer',
    means: "A node asks for a content that its directive doesn't list, or for chunks that don't exist.",
    mend: 'Nothing, if it happens once after a change of plans; else look into that node.',
  },
  // Pushing releases, and the gateway's API
  'push-incomplete': {
    act: 'caller',
    means: 'A push lacks a component that its release lists.',
    mend: 'Push again with every component; `hypha push` does so.',
  },
  'release-mismatch': {
    act: 'author',
    means: 'What a release says of a component is not what the component says of itself.',
    mend: 'Build the app again and push what was built; both sides must have the same version of Hypha.',
  },
  'release-number': {
    act: 'caller',
    means: "A release's number is not above the last one of its app.",
    mend: 'Push again: `hypha push` asks the gateway for the next number.',
  },
  'plan-impossible': {
    act: 'author',
    means: 'No fleet could hold this release.',
    mend: 'Mend what the message names: an import that nobody exports, or links that go round in a circle.',
  },
  'rollout-failed': {
    act: 'author',
    means: 'Nodes refused a release, or went back to the one that they ran before.',
    mend: 'See `hypha events` and `hypha logs` for what happened there; `hypha rollback APP` puts all nodes on the release before.',
  },
  'receipt-wrong': {
    act: 'operator',
    means: 'What a node says of a flip is of another node, fleet or app, or of an epoch that it was never given.',
    mend: 'It is dropped. If it comes again, see what runs on that node: its agent is not the one that was shipped.',
  },
  'rollout-state': {
    act: 'caller',
    means: 'A rollout is in a state in which that can not be done.',
    mend: 'See what it waits for: `hypha rollout show APP`.',
  },
  'rollout-unfinished': {
    act: 'later',
    means: 'A release was accepted, but not all nodes run it yet.',
    mend: 'It goes on by itself: follow it with `hypha rollout APP --wait`.',
  },
  'not-signed-in': {
    act: 'caller',
    means: 'A request to the gateway has no token, or one that the gateway does not know or that has expired.',
    mend: 'Ask for credentials (`hypha token create NAME --save FILE`) and give them with --credentials or in HYPHA_CREDENTIALS.',
  },
  'not-allowed': {
    act: 'caller',
    means: 'The token does not have the role that the request needs, or is for other apps.',
    mend: 'Use a token of the role that the message names.',
  },
  'too-many-attempts': {
    act: 'later',
    means:
      'Too many requests with a wrong token came from one address, or from all together; or one node asks for certificates without end.',
    mend: 'Wait a minute, then try again with the right token.',
  },
  'request-invalid': {
    act: 'caller',
    means: "A request to the gateway's API is not of the form that it should have.",
    mend: 'Give what the message asks for; /openapi.json of the gateway has the form of every request.',
  },
  'audit-broken': {
    act: 'operator',
    means: 'The audit log is not what the gateway wrote: an entry was changed, removed, put in or moved.',
    mend: 'Keep the database as evidence, look at who could write to it, and compare with a backup up to the entry that is named.',
  },
  'not-found': {
    act: 'caller',
    means: 'There is nothing of that name.',
    mend: 'List what there is: `hypha nodes`, `hypha apps`, `hypha releases APP`.',
  },
  'name-taken': {
    act: 'caller',
    means: 'The name is in use.',
    mend: 'Choose another name, or remove what has it.',
  },
  'already-running': {
    act: 'caller',
    means: 'A gateway, or an agent, of the same folder runs already.',
    mend: 'Use the one that runs, or end it first.',
  },
  'gateway-stopping': {
    act: 'later',
    means: 'The gateway is being stopped.',
    mend: 'Try again once it runs.',
  },
  'port-unavailable': {
    act: 'operator',
    means: 'The gateway can not listen on its port.',
    mend: 'End the program that has it, or choose other ports in fleet.toml.',
  },
  'release-in-use': {
    act: 'caller',
    means: 'The release runs, or is the newest of its app, whose numbers go on from it.',
    mend: 'Push or run another release first.',
  },
  // Programs and their folders
  'argument-invalid': {
    act: 'caller',
    means: 'A command was called with an argument that it does not take.',
    mend: 'See its --help.',
  },
  'not-joined': {
    act: 'caller',
    means: 'This agent belongs to no fleet yet.',
    mend: 'Make an invitation with hypha invite NAME, and join with hypha-agent join URL.',
  },
  'already-joined': {
    act: 'caller',
    means: 'The folder holds the identity of a node that has joined.',
    mend: 'Use another folder (--home), or let this one leave first: hypha-agent leave --yes.',
  },
  'trust-damaged': {
    act: 'operator',
    means:
      'What the node has come to trust can not be read: without it, old metadata could be played to it again, so it runs nothing.',
    mend: 'Replace its keys and its trust, which keeps its data: `hypha invite NAME --replace` at the gateway, `hypha-agent join URL --again` here.',
  },
  // Installing devices
  'runtime-unknown': {
    act: 'caller',
    means: 'There is no Node runtime for this architecture, or the lock file names none.',
    mend: 'Name one of those that the message lists.',
  },
  'runtime-unavailable': {
    act: 'later',
    means: "The package with Node's runtime can't be had.",
    mend: 'Try again where npm reaches its registry, or bring the package there and name it: hypha runtime add ARCH --from FILE.',
  },
  'runtime-mismatch': {
    act: 'operator',
    means: "A package with Node's runtime is not the one that package-lock.json names; it was not stored.",
    mend: 'Fetch it again. If it stays so, somebody changes packages on their way, or the lock file is of another version.',
  },
  'install-busy': {
    act: 'later',
    means: 'So many devices download from the gateway, or one address asks so often, that further requests wait.',
    mend: 'Try again a little later; the installer does so by itself.',
  },
  // Running modules on a node
  'module-form-unsupported': {
    act: 'operator',
    means: 'A module has no core form, and this node runs no others.',
    mend: 'Build the module as one core module, or place it on a node whose inventory lists the form "component".',
  },
  'module-unloadable': {
    act: 'author',
    means: "A module can't be compiled or instantiated on the node.",
    mend: 'Build it again for the features that the node lists; the message says what its engine refused.',
  },
  'link-not-served': {
    act: 'operator',
    means: 'An import of a module is linked to something that this node does not serve.',
    mend: 'Push a release whose modules agree with each other; `hypha plan` shows its links.',
  },
  // Calls over links between cells and nodes
  'link-not-listed': {
    act: 'operator',
    means: 'A node was called over a link that its directive does not list.',
    mend: 'Nothing, where releases change: it passes. Else `hypha plan` shows which links there are.',
  },
  'would-deadlock': {
    act: 'author',
    means: 'A call would wait for a cell that waits for the caller itself.',
    mend: 'Let the called module answer with what it knows, or publish a message in place of the call.',
  },
  'callee-trapped': {
    act: 'author',
    means: 'The called module trapped, or did not return in time: nothing of that turn was kept.',
    mend: 'See the events of the called module, and mend it.',
  },
  'callee-unreachable': {
    act: 'later',
    means: 'The node that was called has not answered within the time that the call had.',
    mend: 'See whether the node is online: `hypha nodes`.',
  },
  'callee-not-running': {
    act: 'later',
    means: 'The called instance does not run on its node now.',
    mend: 'See why: `hypha status APP`.',
  },
  'epoch-mismatch': {
    act: 'operator',
    means: 'The called function has another type in the release that the other node runs.',
    mend: 'Let the rollout end: the releases of both nodes have to agree.',
  },
  'link-failed': {
    act: 'author',
    means:
      'A call over a link failed, and neither its result nor the policy of its link can say so to the module: the turn is discarded.',
    mend: 'Give the function a result<_, string>, or its link a policy in hypha.toml.',
  },
  'no-home': {
    act: 'author',
    means:
      'A module that is shared by devices called one that each device has, and nothing says which device is meant.',
    mend: 'Call hypha:host/links.target with the id of the device first.',
  },
  'unknown-device': {
    act: 'author',
    means: 'A call is meant for a device that does not run the called module.',
    mend: 'Take one of those that hypha:host/links.devices lists.',
  },
  'already-handled': {
    act: 'later',
    means: 'The call was taken before, and its answer is not there any more.',
    mend: 'Nothing: it is not run twice.',
  },
  'call-differs': {
    act: 'peer',
    means: 'A call has the id of an earlier one and is another.',
    mend: 'A module must do the same when its turn is tried again; a turn that depends on the time or on chance can differ.',
  },
  'turn-trapped': {
    act: 'author',
    means: 'A module trapped in a turn: nothing of that turn was kept but the lines that it logged.',
    mend: 'Mend the module; the instance is made anew by itself.',
  },
  'turn-deadline': {
    act: 'author',
    means: 'A turn did not return before its deadline, and its cell was ended.',
    mend: 'Do less in one turn, or raise `turn-ms` in hypha.toml.',
  },
  'swap-over-budget': {
    act: 'author',
    means: 'A new release was not ready within the time that its inputs may wait at the flip, so the old one went on.',
    mend: 'Make `save` and `restore` faster or the state smaller; what `start` does can wait for the first turn.',
  },
  'lease-run-out': {
    act: 'later',
    means: 'The node has no lease of the instance any more: it was cut off from its gateway for too long, or slept.',
    mend: 'It goes on by itself here, or on another node. `offline = "keep"` in hypha.toml has it run on where it is.',
  },
  'cell-died': {
    act: 'author',
    means: 'The worker of a cell ended by itself, most often because it ran out of memory.',
    mend: 'Pass smaller values to the host; the cell is made anew by itself.',
  },
  'state-refused': {
    act: 'author',
    means: 'A module refused the state that an earlier version of it had saved.',
    mend: 'Let `restore` take what the running version saves.',
  },
  'node-file-invalid': {
    act: 'caller',
    means: "The node's file says something that can't be.",
    mend: 'Mend the line that the message names.',
  },
  'bridge-unreachable': {
    act: 'operator',
    means: 'The bridge process, which speaks to the boards on serial ports for the agent, does not start.',
    mend: 'See what it said before; `hypha-bridge ls` tells what is on the ports.',
  },
  'serial-port-failed': {
    act: 'operator',
    means: 'A serial port can not be opened.',
    mend: 'Check that the path is that of a serial port, that no other program has it open, and that the user may use it.',
  },
  'board-unknown': {
    act: 'caller',
    means: 'No board with this id has been seen on any serial port since the bridge started.',
    mend: 'List the boards with `hypha-bridge ls`; check the cable and the ports that are watched.',
  },
  'board-away': {
    act: 'later',
    means: 'A board is not connected now, or left before it answered.',
    mend: 'Connect it again; what it held is still there.',
  },
  'board-not-accepted': {
    act: 'operator',
    means: "A node speaks for a board that hasn't been accepted, or is at another node.",
    mend: 'Accept the board (hypha accept NODE/BOARD), once its key is the one that you expect.',
  },
  'board-mac-invalid': {
    act: 'peer',
    means:
      'What a board is said to have reported, or its proof of a session, does not carry the MAC that only the board can make.',
    mend: 'See the events of the board and its node; if it goes on, the node passes on what the board has not said.',
  },
  'mcu-board-unknown': {
    act: 'caller',
    means: 'There is no firmware for a board of this name.',
    mend: 'Name one that there is (hypha mcu build --help); docs/microcontrollers.md tells how to add another.',
  },
  'mcu-toolchain-missing': {
    act: 'caller',
    means: "What the firmware is built with isn't on this machine.",
    mend: 'Install what the message names, then run the same command again.',
  },
  'mcu-build-failed': {
    act: 'hypha',
    means: "The firmware couldn't be built or run.",
    mend: 'Report it with the whole message; make clean in firmware-bridge/firmware may help.',
  },
  'board-full': {
    act: 'operator',
    means:
      'A board has no room in its flash for what it is to keep: a module with its side table, state, or a setting.',
    mend: 'Make the module smaller, or let it run on another node; hypha node tells what the board can hold.',
  },
  'board-flash': {
    act: 'operator',
    means: "A board's flash can't be written or erased any more.",
    mend: 'Replace the board: its flash is worn out or damaged. What it ran goes to another node.',
  },
  'board-key': {
    act: 'operator',
    means: 'A board has no key: it has no entropy of its own to make one, and none was burnt in.',
    mend: 'Build its firmware again with hypha mcu build, for this board alone, and flash it.',
  },
  'board-instances': {
    act: 'hypha',
    means: 'A directive asks a board for another number of instances than the one that it runs.',
    mend: 'Let one module alone be placed on the board.',
  },
  'board-reverted': {
    act: 'author',
    means:
      'What was on trial on a board failed, or the board started anew before it was confirmed: what ran before runs again.',
    mend: 'See the event before this one for why; mend the module and push again.',
  },
  'firmware-board': {
    act: 'operator',
    means:
      'A release of the firmware has no image for a kind of board, or one that was built for another kind or for the other slot.',
    mend: 'Release the firmware with the boards of this fleet: hypha mcu release --board names them.',
  },
  'board-busy': {
    act: 'later',
    means: 'More waits to be sent to a board than is kept for it.',
    mend: 'Wait until the board has taken what was sent.',
  },
  'input-too-large': {
    act: 'author',
    means: 'A message for the inbox of a module on a board is longer than the board takes, and was given up.',
    mend: 'Publish less at a time: the event says how many bytes there is room for. Or keep the module off boards (requires in hypha.toml).',
  },
  'directive-too-long': {
    act: 'operator',
    means: 'What a board is told to run takes more bytes, with its settings, than it has room for.',
    mend: 'Shorten or unset settings of the app (hypha config list APP), or let its module run on another node.',
  },
  'transfer-cancelled': {
    act: 'later',
    means: 'A transfer to a board was given up before it was complete.',
    mend: 'Ask for it again: the board goes on where it has come to.',
  },
  'transfer-out-of-order': {
    act: 'peer',
    means: 'A piece of a transfer does not follow on the one before it, or goes beyond its end.',
    mend: 'Offer it again: the board says where to go on.',
  },
  'helper-unreachable': {
    act: 'operator',
    means: 'The helper process, which runs commands and databases for the agent, does not answer.',
    mend: 'Start the agent with `hypha-agent run`, which starts the helper too.',
  },
  'home-empty': {
    act: 'caller',
    means: 'The folder holds no fleet.',
    mend: 'Make one with hypha init NAME, or name its folder with --home or HYPHA_HOME.',
  },
  'home-in-use': {
    act: 'caller',
    means: 'The folder holds a fleet already.',
    mend: 'Name another folder with --home or HYPHA_HOME.',
  },
  'home-malformed': {
    act: 'caller',
    means: "The fleet's file is not as it should be.",
    mend: 'Correct it as the message says.',
  },
  'gateway-unreachable': {
    act: 'later',
    means: 'The gateway does not answer.',
    mend: 'Check that it runs, and that its address is right.',
  },
  internal: {
    act: 'hypha',
    means: 'Something happened that Hypha holds to be impossible.',
    mend: 'Report it with the whole message.',
  },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof errorTable

export const exitCodes: Readonly<Record<Actor, number>> = {
  hypha: 1,
  caller: 2,
  author: 3,
  operator: 4,
  later: 5,
  peer: 6,
}

export interface ErrorDetails {
  /** Where: a file and line, a byte offset, a field's path, a node, a module. */
  readonly where?: string
  /** What to do, where more can be said than the table's general advice. */
  readonly mend?: string
  readonly cause?: unknown
}

/** The form of an error in JSON: `--json` output, the HTTP API, and reports of nodes. */
export interface ErrorJson {
  readonly code: ErrorCode
  readonly message: string
  readonly where?: string
  readonly mend: string
}

/** The one error class. `message` says what was wrong in this case; the code's entry says what that kind means. */
export class HyphaError extends Error {
  override readonly name = 'HyphaError'
  readonly code: ErrorCode
  readonly where: string | undefined
  readonly mend: string

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.where = details.where
    this.mend = details.mend ?? errorTable[code].mend
  }

  get act(): Actor {
    return errorTable[this.code].act
  }

  toJSON(): ErrorJson {
    const { code, message, where, mend } = this
    return where === undefined ? { code, message, mend } : { code, message, where, mend }
  }
}

/** What the system says of a file or folder that can't be used as asked: nobody's defect but the place's. */
const fileTroubles: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
  ENOENT: 'file-failed',
  EISDIR: 'file-failed',
  ENOTDIR: 'file-failed',
  EACCES: 'file-failed',
  EPERM: 'file-failed',
  EROFS: 'file-failed',
  EIO: 'file-failed',
  ELOOP: 'file-failed',
  ENAMETOOLONG: 'file-failed',
}

/** What SQLite says of its file's place, by the beginnings of its codes. */
const databaseTroubles: readonly (readonly [code: RegExp, ErrorCode])[] = [
  [/^SQLITE_FULL/, 'disk-full'],
  [/^SQLITE_(READONLY|CANTOPEN|IOERR|CORRUPT|NOTADB)/, 'store-unusable'],
]

/** Any thrown value as a `HyphaError`: `file-failed`, `disk-full` or `store-unusable` where the system or SQLite refused a file; what is nothing known becomes `internal` with the value as its cause. */
export function asHyphaError(thrown: unknown): HyphaError {
  if (thrown instanceof HyphaError) return thrown
  const { code, syscall, path } = (thrown ?? {}) as { code?: unknown; syscall?: unknown; path?: unknown }
  const trouble = typeof syscall === 'string' ? fileTroubles[String(code)] : undefined
  if (trouble !== undefined && !/^(connect|listen|bind|spawn|getaddrinfo)/.test(String(syscall))) {
    const where = typeof path === 'string' ? { where: path } : {}
    return new HyphaError(trouble, (thrown as Error).message, { ...where, cause: thrown })
  }
  const database = databaseTroubles.find(([codes]) => typeof code === 'string' && codes.test(code))
  if (database !== undefined) return new HyphaError(database[1], (thrown as Error).message, { cause: thrown })
  return new HyphaError('internal', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
}
