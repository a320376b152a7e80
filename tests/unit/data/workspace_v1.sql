-- A workspace of schema version 1, as the first UPDP wrote it: three records, verdicts, a release, a void pair.
-- Written once; migrations are tested on it. Not to be changed.
CREATE TABLE record (
  seq INTEGER NOT NULL,
  id VARCHAR NOT NULL,
  patient VARCHAR NOT NULL,
  study VARCHAR NOT NULL,
  source VARCHAR NOT NULL,
  sha256 VARCHAR NOT NULL,
  image VARCHAR NOT NULL,
  height INTEGER NOT NULL,
  width INTEGER NOT NULL,
  bit_depth INTEGER NOT NULL,
  "view" VARCHAR NOT NULL,
  report VARCHAR NOT NULL,
  header_json VARCHAR NOT NULL,
  flags_json VARCHAR NOT NULL,
  findings_json VARCHAR NOT NULL,
  finding_key VARCHAR NOT NULL,
  imported_at VARCHAR NOT NULL,
  PRIMARY KEY (seq),
  UNIQUE (id),
  UNIQUE (sha256)
);
CREATE INDEX ix_record_finding_key ON record (finding_key);
CREATE TABLE pseudonym (
  kind VARCHAR NOT NULL,
  "key" VARCHAR NOT NULL,
  pseudonym VARCHAR NOT NULL,
  PRIMARY KEY (kind, "key"),
  UNIQUE (pseudonym)
);
CREATE TABLE lexicon_version (
  version INTEGER NOT NULL,
  digest VARCHAR NOT NULL,
  content_json VARCHAR NOT NULL,
  author VARCHAR NOT NULL,
  role VARCHAR NOT NULL,
  comment VARCHAR NOT NULL,
  added INTEGER NOT NULL,
  removed INTEGER NOT NULL,
  created_at VARCHAR NOT NULL,
  PRIMARY KEY (version)
);
CREATE TABLE gate_count (
  name VARCHAR NOT NULL,
  state VARCHAR NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (name, state)
);
CREATE TABLE policy_version (
  id INTEGER NOT NULL,
  verdicts INTEGER NOT NULL,
  content_json VARCHAR NOT NULL,
  author VARCHAR NOT NULL,
  comment VARCHAR NOT NULL,
  created_at VARCHAR NOT NULL,
  PRIMARY KEY (id)
);
CREATE TABLE audit_event (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  at VARCHAR NOT NULL,
  actor VARCHAR NOT NULL,
  role VARCHAR NOT NULL,
  verb VARCHAR NOT NULL,
  subject VARCHAR NOT NULL,
  detail_json VARCHAR NOT NULL,
  previous VARCHAR NOT NULL,
  digest VARCHAR NOT NULL
);
CREATE INDEX audit_by_verb ON audit_event (verb, id);
CREATE TABLE run (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  owner VARCHAR NOT NULL,
  actor VARCHAR NOT NULL,
  method VARCHAR NOT NULL,
  state VARCHAR NOT NULL,
  wish VARCHAR NOT NULL,
  total INTEGER NOT NULL,
  done INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  message VARCHAR NOT NULL,
  started_at VARCHAR NOT NULL,
  seconds FLOAT NOT NULL
);
CREATE TABLE saved_view (
  owner VARCHAR NOT NULL,
  name VARCHAR NOT NULL,
  shared BOOLEAN NOT NULL,
  filters_json VARCHAR NOT NULL,
  sort VARCHAR NOT NULL,
  PRIMARY KEY (owner, name)
);
CREATE TABLE record_finding (
  finding VARCHAR NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (finding, seq),
  FOREIGN KEY(seq) REFERENCES record (seq)
)
 WITHOUT ROWID;
CREATE TABLE candidate (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  record VARCHAR NOT NULL,
  method VARCHAR NOT NULL,
  releasable BOOLEAN NOT NULL,
  settings_json VARCHAR NOT NULL,
  lexicon_version INTEGER NOT NULL,
  seed INTEGER NOT NULL,
  prompt_json VARCHAR,
  prompt_text VARCHAR NOT NULL,
  filtered VARCHAR NOT NULL,
  spans_json VARCHAR NOT NULL,
  surrogates_json VARCHAR NOT NULL,
  report_policy VARCHAR NOT NULL,
  image VARCHAR,
  height INTEGER,
  width INTEGER,
  evidence_json VARCHAR NOT NULL,
  error VARCHAR NOT NULL,
  actor VARCHAR NOT NULL,
  created_at VARCHAR NOT NULL,
  FOREIGN KEY(record) REFERENCES record (id),
  FOREIGN KEY(lexicon_version) REFERENCES lexicon_version (version)
);
CREATE INDEX candidate_by_record ON candidate (record);
CREATE TABLE release (
  id VARCHAR NOT NULL,
  folder VARCHAR NOT NULL,
  officer VARCHAR NOT NULL,
  comment VARCHAR NOT NULL,
  pairs INTEGER NOT NULL,
  lexicon_version INTEGER NOT NULL,
  manifest_sha256 VARCHAR NOT NULL,
  root_digest VARCHAR NOT NULL,
  audit_head VARCHAR NOT NULL,
  created_at VARCHAR NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(lexicon_version) REFERENCES lexicon_version (version)
);
CREATE TABLE embedding (
  record VARCHAR NOT NULL,
  judge VARCHAR NOT NULL,
  vector BLOB NOT NULL,
  PRIMARY KEY (record, judge),
  FOREIGN KEY(record) REFERENCES record (id)
);
CREATE TABLE standing (
  seq INTEGER NOT NULL,
  record VARCHAR NOT NULL,
  patient VARCHAR NOT NULL,
  state VARCHAR NOT NULL,
  candidate INTEGER,
  revision INTEGER NOT NULL,
  method VARCHAR,
  lexicon_version INTEGER,
  risk FLOAT,
  worst VARCHAR,
  alignment FLOAT,
  approvals INTEGER NOT NULL,
  reviewer VARCHAR,
  decided_at VARCHAR,
  released BOOLEAN NOT NULL,
  flagged BOOLEAN NOT NULL,
  error VARCHAR NOT NULL,
  PRIMARY KEY (seq),
  UNIQUE (record),
  FOREIGN KEY(record) REFERENCES record (id)
);
CREATE INDEX standing_worst_risk ON standing (worst, risk DESC, seq);
CREATE INDEX standing_risk ON standing (risk DESC, seq);
CREATE INDEX standing_reviewer ON standing (reviewer, seq);
CREATE INDEX standing_decided ON standing (decided_at DESC, seq);
CREATE INDEX ix_standing_candidate ON standing (candidate);
CREATE INDEX standing_patient ON standing (patient, seq);
CREATE INDEX standing_alignment ON standing (alignment, seq);
CREATE INDEX standing_state_seq ON standing (state, seq);
CREATE INDEX standing_counts ON standing (state, method, lexicon_version, released);
CREATE INDEX standing_state_risk ON standing (state, risk DESC, seq);
CREATE TABLE lease (
  record VARCHAR NOT NULL,
  owner VARCHAR NOT NULL,
  expires FLOAT NOT NULL,
  PRIMARY KEY (record),
  FOREIGN KEY(record) REFERENCES record (id)
);
CREATE INDEX ix_lease_owner ON lease (owner);
CREATE TABLE hold (
  record VARCHAR NOT NULL,
  holder VARCHAR NOT NULL,
  expires FLOAT NOT NULL,
  PRIMARY KEY (record),
  FOREIGN KEY(record) REFERENCES record (id)
);
CREATE INDEX ix_hold_holder ON hold (holder);
CREATE TABLE draft (
  record VARCHAR NOT NULL,
  owner VARCHAR NOT NULL,
  content_json VARCHAR NOT NULL,
  saved_at VARCHAR NOT NULL,
  PRIMARY KEY (record, owner),
  FOREIGN KEY(record) REFERENCES record (id)
);
CREATE TABLE grade (
  candidate INTEGER NOT NULL,
  gates_json VARCHAR NOT NULL,
  worst VARCHAR NOT NULL,
  risk FLOAT NOT NULL,
  alignment FLOAT,
  PRIMARY KEY (candidate),
  FOREIGN KEY(candidate) REFERENCES candidate (id)
);
CREATE TABLE gate_value (
  candidate INTEGER NOT NULL,
  name VARCHAR NOT NULL,
  state VARCHAR NOT NULL,
  value FLOAT,
  PRIMARY KEY (candidate, name),
  FOREIGN KEY(candidate) REFERENCES candidate (id)
)
 WITHOUT ROWID;
CREATE INDEX gate_by_state ON gate_value (name, state, candidate);
CREATE TABLE choice (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  record VARCHAR NOT NULL,
  candidate INTEGER NOT NULL,
  after_decision INTEGER NOT NULL,
  actor VARCHAR NOT NULL,
  created_at VARCHAR NOT NULL,
  FOREIGN KEY(record) REFERENCES record (id),
  FOREIGN KEY(candidate) REFERENCES candidate (id)
);
CREATE INDEX choice_by_record ON choice (record, id);
CREATE TABLE violation (
  candidate INTEGER NOT NULL,
  lexicon_version INTEGER NOT NULL,
  record VARCHAR NOT NULL,
  terms_json VARCHAR NOT NULL,
  after_decision INTEGER NOT NULL,
  PRIMARY KEY (candidate, lexicon_version),
  FOREIGN KEY(candidate) REFERENCES candidate (id),
  FOREIGN KEY(lexicon_version) REFERENCES lexicon_version (version),
  FOREIGN KEY(record) REFERENCES record (id)
);
CREATE INDEX ix_violation_record ON violation (record);
CREATE TABLE decision (
  id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  record VARCHAR NOT NULL,
  candidate INTEGER NOT NULL,
  reviewer VARCHAR NOT NULL,
  role VARCHAR NOT NULL,
  verdict VARCHAR NOT NULL,
  reasons_json VARCHAR NOT NULL,
  comment VARCHAR NOT NULL,
  overrides_json VARCHAR NOT NULL,
  undoes INTEGER,
  blind BOOLEAN NOT NULL,
  decided_at VARCHAR NOT NULL,
  UNIQUE (undoes),
  FOREIGN KEY(record) REFERENCES record (id),
  FOREIGN KEY(candidate) REFERENCES candidate (id),
  FOREIGN KEY(undoes) REFERENCES decision (id)
);
CREATE INDEX decision_by_record ON decision (record, id);
CREATE INDEX decision_by_time ON decision (decided_at, reviewer, verdict);
CREATE INDEX decision_by_candidate ON decision (candidate, id);
CREATE INDEX decision_by_reviewer ON decision (reviewer, id);
CREATE TABLE release_pair (
  release VARCHAR NOT NULL,
  candidate INTEGER NOT NULL,
  record VARCHAR NOT NULL,
  PRIMARY KEY (release, candidate),
  FOREIGN KEY(release) REFERENCES release (id),
  FOREIGN KEY(candidate) REFERENCES candidate (id),
  FOREIGN KEY(record) REFERENCES record (id)
);
CREATE INDEX release_by_candidate ON release_pair (candidate);
CREATE INDEX ix_release_pair_record ON release_pair (record);
CREATE VIEW valid_decision AS
SELECT d.id, d.record, d.candidate, d.reviewer, d.role, d.verdict, d.blind, d.overrides_json, d.decided_at
FROM decision d
WHERE d.verdict <> 'undo'
  AND NOT EXISTS (SELECT 1 FROM decision u WHERE u.undoes = d.id)
  AND d.id > (SELECT coalesce(max(h.after_decision), 0) FROM choice h WHERE h.record = d.record)
  AND d.id > (SELECT coalesce(max(v.after_decision), 0) FROM violation v WHERE v.candidate = d.candidate);
CREATE VIEW derived_standing AS
SELECT s.record, s.seq, s.patient,
  CASE
    WHEN s.candidate IS NULL THEN 'new'
    WHEN s.error <> '' THEN 'failed'
    WHEN s.forbidden THEN 'void'
    WHEN s.approvals >= s.needed THEN 'approved'
    WHEN s.approvals > 0 OR s.refusal IS NULL THEN 'pending'
    WHEN (SELECT verdict FROM decision WHERE id = s.refusal) = 'regenerate' THEN 'new'
    ELSE 'rejected'
  END AS state,
  s.candidate, s.revision, s.method, s.lexicon_version, g.risk, g.worst, g.alignment, s.approvals,
  (SELECT reviewer FROM valid_decision v WHERE v.id = s.latest) AS reviewer,
  (SELECT decided_at FROM valid_decision v WHERE v.id = s.latest) AS decided_at,
  s.released, s.flagged, s.error
FROM (
  SELECT t.*,
    (SELECT count(DISTINCT v.reviewer) FROM valid_decision v
      WHERE v.candidate = t.candidate AND v.verdict = 'approve' AND v.id > coalesce(t.refusal, 0)
        AND (t.refusal IS NULL OR NOT v.blind)
        AND NOT EXISTS (SELECT 1 FROM gate_value b WHERE b.candidate = t.candidate AND b.state = 'block'
          AND b.name NOT IN (SELECT value FROM json_each(v.overrides_json)))) AS approvals,
    (SELECT max(v.id) FROM valid_decision v WHERE v.candidate = t.candidate) AS latest
  FROM (
    SELECT r.id AS record, r.seq, r.patient, c.id AS candidate, coalesce(c.error, '') AS error,
      c.method, c.lexicon_version, r.flags_json <> '[]' AS flagged,
      (SELECT count(*) FROM choice x WHERE x.record = r.id)
        + (SELECT count(*) FROM decision x WHERE x.record = r.id)
        + (SELECT count(*) FROM violation x WHERE x.record = r.id) AS revision,
      EXISTS (SELECT 1 FROM violation x WHERE x.candidate = c.id
        AND x.lexicon_version = (SELECT max(version) FROM lexicon_version)) AS forbidden,
      EXISTS (SELECT 1 FROM release_pair x WHERE x.candidate = c.id) AS released,
      (SELECT verdicts FROM policy_version ORDER BY id DESC LIMIT 1) AS needed,
      (SELECT max(v.id) FROM valid_decision v
        WHERE v.candidate = c.id AND v.verdict IN ('reject', 'regenerate')) AS refusal
    FROM record r
    LEFT JOIN candidate c ON c.id = (
      SELECT h.candidate FROM choice h WHERE h.record = r.id ORDER BY h.id DESC LIMIT 1)
  ) t
) s LEFT JOIN grade g ON g.candidate = s.candidate;
CREATE VIRTUAL TABLE record_text USING fts5(body, tokenize = 'unicode61');
INSERT INTO record (seq, id, patient, study, source, sha256, image, height, width, bit_depth, view, report, header_json, flags_json, findings_json, finding_key, imported_at) VALUES (1, 'R89YEJZR4X4', 'PQDBH5XPEC5', 'S6QLZJUFKA4', 'file-0.png', '3dac01dcbf975fd1fce64a63efeb490fad4eef8b281c1290a90f2794fbec9784', '0730e87fc66499639bab536e65ae967ace6a6d109bf905ccf438da75fb20ea76', 64, 80, 12, 'PA', 'FINDINGS: The heart is enlarged. There is a small left pleural effusion. IMPRESSION: Cardiomegaly.', '{"patient_id":["7700000"]}', '[]', '["cardiomegaly","pleural_effusion"]', 'cardiomegaly,pleural_effusion', '2026-11-21T15:03:02.328Z');
INSERT INTO record (seq, id, patient, study, source, sha256, image, height, width, bit_depth, view, report, header_json, flags_json, findings_json, finding_key, imported_at) VALUES (2, 'RPAM5THTXAT', 'PQ69UFV65TX', 'SLLS4V2J4LH', 'file-1.png', '7a76305ef84a5aeadf519cd5051101a3c8933aadee3cc642a7fba770a4e80bd4', '4e567e05d20cb824cd9f209e82df1ed456d92e108aace6d03e2a325695c6eeec', 64, 80, 12, 'PA', 'FINDINGS: The lungs are clear. No pneumothorax. IMPRESSION: No acute disease.', '{"patient_id":["7700001"]}', '[]', '[]', '', '2026-11-21T15:03:02.331Z');
INSERT INTO record (seq, id, patient, study, source, sha256, image, height, width, bit_depth, view, report, header_json, flags_json, findings_json, finding_key, imported_at) VALUES (3, 'RSBQNUCZYM3', 'PQVXCMUVDQP', 'SJSQA4FWSAZ', 'file-2.png', '5d84bdd1acfdc84aff7bbcb680283e7addadb54fe513c69721a7dd9b480654bc', '870b644c26e5bf72aa231639ca712682838005bba70cae6c8e975a6439f323b2', 64, 80, 12, 'PA', 'FINDINGS: There is a nodule in the right upper lobe. IMPRESSION: Nodule.', '{"patient_id":["7700002"]}', '[]', '["nodule"]', 'nodule', '2026-11-21T15:03:02.332Z');
INSERT INTO pseudonym (kind, key, pseudonym) VALUES ('patient', 'MRN0', 'PQDBH5XPEC5');
INSERT INTO pseudonym (kind, key, pseudonym) VALUES ('study', '["MRN0","study-0"]', 'S6QLZJUFKA4');
INSERT INTO pseudonym (kind, key, pseudonym) VALUES ('patient', 'MRN1', 'PQ69UFV65TX');
INSERT INTO pseudonym (kind, key, pseudonym) VALUES ('study', '["MRN1","study-1"]', 'SLLS4V2J4LH');
INSERT INTO pseudonym (kind, key, pseudonym) VALUES ('patient', 'MRN2', 'PQVXCMUVDQP');
INSERT INTO pseudonym (kind, key, pseudonym) VALUES ('study', '["MRN2","study-2"]', 'SJSQA4FWSAZ');
INSERT INTO lexicon_version (version, digest, content_json, author, role, comment, added, removed, created_at) VALUES (1, '02fd99137345efee63cef6dfec88070e41fa5e33eb94cc16ee68dc289482e53b', '{"blacklist":{"institutions":["st. elsewhere"],"names":["mortimer","quill"]},"whitelist":{"anatomy":["heart","left","lungs","right upper lobe"],"findings":["effusion","nodule","pneumothorax"]}}', 'updp', 'system', 'The lexicons that UPDP ships', 10, 0, '2026-11-21T15:03:02.025Z');
INSERT INTO lexicon_version (version, digest, content_json, author, role, comment, added, removed, created_at) VALUES (2, 'e527c2f9303390ea4a1bc370ed9a287a80d02f8b9694f214eac9101a17f4d070', '{"blacklist":{"institutions":["st. elsewhere"],"names":["mortimer","nodule","quill"]},"whitelist":{"anatomy":["heart","left","lungs","right upper lobe"],"findings":["effusion","pneumothorax"]}}', 'Officer', 'privacy-officer', 'A name here', 1, 1, '2026-11-21T15:03:05.927Z');
INSERT INTO gate_count (name, state, n) VALUES ('alignment', 'clear', 3);
INSERT INTO gate_count (name, state, n) VALUES ('domain', 'warn', 3);
INSERT INTO gate_count (name, state, n) VALUES ('findings_invented', 'unknown', 3);
INSERT INTO gate_count (name, state, n) VALUES ('findings_lost', 'unknown', 3);
INSERT INTO gate_count (name, state, n) VALUES ('forbidden_in_prompt', 'clear', 3);
INSERT INTO gate_count (name, state, n) VALUES ('identity_rank', 'unknown', 3);
INSERT INTO gate_count (name, state, n) VALUES ('identity_similarity', 'unknown', 3);
INSERT INTO gate_count (name, state, n) VALUES ('image_text', 'clear', 3);
INSERT INTO gate_count (name, state, n) VALUES ('memorisation', 'unknown', 3);
INSERT INTO gate_count (name, state, n) VALUES ('prompt_score', 'unknown', 3);
INSERT INTO gate_count (name, state, n) VALUES ('rarity', 'warn', 3);
INSERT INTO gate_count (name, state, n) VALUES ('residual_phi', 'clear', 3);
INSERT INTO policy_version (id, verdicts, content_json, author, comment, created_at) VALUES (1, 1, '{"gates":{},"report_policy":"placeholder","second_reading":0.0,"verdicts":1}', 'updp', 'The default', '2026-11-21T15:03:02.027Z');
INSERT INTO audit_event (id, at, actor, role, verb, subject, detail_json, previous, digest) VALUES (1, '2026-11-21T15:03:02.027Z', 'updp', 'system', 'open', 'lexicon 1', '{"digest":"02fd99137345efee63cef6dfec88070e41fa5e33eb94cc16ee68dc289482e53b","rows":{"lexicon_version":{"1":"5606864dc2f02cab480e4c83f205b78e39b22a10994e360ed3fd1bc56f153624"},"policy_version":{"1":"673ff59363c1a5181796dac650aa42c5a97eaa255c1bb1513c67c8c2107646bf"}}}', '0000000000000000000000000000000000000000000000000000000000000000', '3bd73d1e70be85f4300a049a31ac5bcc51cb5e988774e0a59a1e5dbed9200c0f');
INSERT INTO audit_event (id, at, actor, role, verb, subject, detail_json, previous, digest) VALUES (2, '2026-11-21T15:03:02.332Z', 'Officer', 'privacy-officer', 'import', '3 records', '{"rows":{"record":{"1":"1a85a28b8b90a69b06e42795653f7fe9eb82cb94addbfb960af873897e79a46a","2":"0deecb0128e96e6f8b61b4069e36cc4309745e105fba34a14f857cc7f2aaa876","3":"ed518befc594d1ed58bd5a584e7ae6b3ab2e031c63578bfe1dad230ad90571e5"}}}', '3bd73d1e70be85f4300a049a31ac5bcc51cb5e988774e0a59a1e5dbed9200c0f', '14f2fbedd84701411b2912a5f4d47e833521c80b1bf37b4d1df7d5705fe9ebbc');
INSERT INTO audit_event (id, at, actor, role, verb, subject, detail_json, previous, digest) VALUES (3, '2026-11-21T15:03:02.350Z', 'Officer', 'privacy-officer', 'generate', 'run 1', '{"method":"quick","queue":3,"seed":0}', '14f2fbedd84701411b2912a5f4d47e833521c80b1bf37b4d1df7d5705fe9ebbc', 'e236614b8d9866f1db6740c680671d73faed6bad1d48bd2576cd6907754bdacd');
INSERT INTO audit_event (id, at, actor, role, verb, subject, detail_json, previous, digest) VALUES (4, '2026-11-21T15:03:02.558Z', 'Officer', 'privacy-officer', 'candidate', 'R89YEJZR4X4', '{"candidates":[1],"failed":0,"lexicon_version":1,"method":"quick","rows":{"candidate":{"1":"924e88920d9f554e8375013d1987f2aa3906c070a903a48b25e1be5466ccb4e1"},"choice":{"1":"560cc3c16f7e760bc5359d89147197129cd7b1d98d795fc873fc1a094087fdf9"}}}', 'e236614b8d9866f1db6740c680671d73faed6bad1d48bd2576cd6907754bdacd', 'a1adfbeaa4e5bb7db3b4d99cd800676e3b60ef6057117691bf1a64f7eddc7f11');
INSERT INTO audit_event (id, at, actor, role, verb, subject, detail_json, previous, digest) VALUES (5, '2026-11-21T15:03:02.580Z', 'Officer', 'privacy-officer', 'candidate', 'RPAM5THTXAT', '{"candidates":[2],"failed":0,"lexicon_version":1,"method":"quick","rows":{"candidate":{"2":"b21fd62ec982e6a7239057196b40548e3a9c6138ebf28fbc4b9cfd74b085acc9"},"choice":{"2":"331ff6f3527be2db87948297966f56ea30f168f01a7a0bf146061f63cbf2b02c"}}}', 'a1adfbeaa4e5bb7db3b4d99cd800676e3b60ef6057117691bf1a64f7eddc7f11', 'c5c3570067278cc388e6d09fd91b39b2f2d94cb59fcf768349c448a51bfa5537');
INSERT INTO audit_event (id, at, actor, role, verb, subject, detail_json, previous, digest) VALUES (6, '2026-11-21T15:03:02.599Z', 'Officer', 'privacy-officer', 'candidate', 'RSBQNUCZYM3', '{"candidates":[3],"failed":0,"lexicon_version":1,"method":"quick","rows":{"candidate":{"3":"53d51de3909eee641081ad496c1f8c9c5a4b2efc98926833e88fe0fd89b2e554"},"choice":{"3":"4777b808f7b00252fa364cb7ada8e97f07e83a6517d2d56f869b447fae691eab"}}}', 'c5c3570067278cc388e6d09fd91b39b2f2d94cb59fcf768349c448a51bfa5537', 'c347a3aefd321723367f13384d6c9c2de11fcb82d27cf108783513415f6523e7');
INSERT INTO audit_event (id, at, actor, role, verb, subject, detail_json, previous, digest) VALUES (7, '2026-11-21T15:03:02.614Z', 'Officer', 'privacy-officer', 'generate_end', 'run 1', '{"failed":0,"generated":3,"state":"finished"}', 'c347a3aefd321723367f13384d6c9c2de11fcb82d27cf108783513415f6523e7', '1e133ae82fef981bfd706ab82e1b822dad200aa6c34a03beb6d2e4655cd3b3b4');
INSERT INTO audit_event (id, at, actor, role, verb, subject, detail_json, previous, digest) VALUES (8, '2026-11-21T15:03:02.624Z', 'Dr. Reader', 'radiologist', 'approve', 'R89YEJZR4X4', '{"candidate":1,"decision":1,"rows":{"decision":{"1":"c06772cfc32e161b38719e99b8f6c7581b0965207522cfaffad0bfe3c8af468f"}}}', '1e133ae82fef981bfd706ab82e1b822dad200aa6c34a03beb6d2e4655cd3b3b4', 'ae8964e49f20ea548b6a258b7aa2fee778c9b6f7558c49e2672836f45114ac35');
INSERT INTO audit_event (id, at, actor, role, verb, subject, detail_json, previous, digest) VALUES (9, '2026-11-21T15:03:02.635Z', 'Dr. Reader', 'radiologist', 'reject', 'RPAM5THTXAT', '{"candidate":2,"comment_sha256":"c1cac1b48aa6f370bfce4dd6d11756b7aa7cfa5c5bdc6c67fed019eda9f3b140","decision":2,"rows":{"decision":{"2":"452822061cdcf3115ef4e6d0df047968bf61766fdaa546d46d802252b938cf70"}}}', 'ae8964e49f20ea548b6a258b7aa2fee778c9b6f7558c49e2672836f45114ac35', 'b989c39d481027ada26661c57405ae207ac578af58833f941649f2af1b224257');
INSERT INTO audit_event (id, at, actor, role, verb, subject, detail_json, previous, digest) VALUES (10, '2026-11-21T15:03:02.647Z', 'Dr. Reader', 'radiologist', 'approve', 'RSBQNUCZYM3', '{"candidate":3,"decision":3,"rows":{"decision":{"3":"c8ca32e1c434137931ef908ffdaafe788dc26ad7df9a17db2e2ba8929561baa2"}}}', 'b989c39d481027ada26661c57405ae207ac578af58833f941649f2af1b224257', '8cd270846b766e39a64073cb882a898e2a55390d4ffdc954d046a283e88ec5a1');
INSERT INTO audit_event (id, at, actor, role, verb, subject, detail_json, previous, digest) VALUES (11, '2026-11-21T15:03:05.912Z', 'Officer', 'privacy-officer', 'release', 'L4B6DNL39YT', '{"manifest_sha256":"a834c9986961f68cc3d0baa902c2c739e2f0e7a6def5837e994f7bfbcb07e06f","pairs":2,"root_digest":"fdef9cb4b9f43a3af4ab9280663a882482c110aabeab7145adc47295b697e9a6","rows":{"release":{"L4B6DNL39YT":"ca9b9442b3416a9221c08cfd251fd3bd73f7fe53d1f0c0287f898c638f6bb282"},"release_pair":{"L4B6DNL39YT|1":"72a953f43f289af75d5e8b085ecbbb40f0a713e3c877214c9d68ec371b42e3d9","L4B6DNL39YT|3":"5ffb5d109ecf2c5f46e9ddfb17e6905e56e5a1e6e7dadd525bdc0c61b0b647c6"}}}', '8cd270846b766e39a64073cb882a898e2a55390d4ffdc954d046a283e88ec5a1', '68255fb1ce5fd98b5677ccd4fbe872a2c2149e475fcf4f4053d4fe76a54a0921');
INSERT INTO audit_event (id, at, actor, role, verb, subject, detail_json, previous, digest) VALUES (12, '2026-11-21T15:03:05.929Z', 'Officer', 'privacy-officer', 'lexicon_edit', 'lexicon 2', '{"added":1,"comment_sha256":"101e6f098bcf71841e9682cd63cf64e48616b4de838ff56d5a8eabd5806013c7","digest":"e527c2f9303390ea4a1bc370ed9a287a80d02f8b9694f214eac9101a17f4d070","removed":1,"rows":{"lexicon_version":{"2":"fad3c2b425d317543aa932f439ba7313a362d96a0a63e9000b7fafd2c3b2d6f2"},"violation":{"3|2":"c96dc119325ec9026780bdf7b3cb4feeb63650489862972dcc3eca3f6ecb0429"}},"voided":1}', '68255fb1ce5fd98b5677ccd4fbe872a2c2149e475fcf4f4053d4fe76a54a0921', 'ddf19c53d338d3c155262004608b0aa49b765b8e769ff7190156860c4818cb2a');
DELETE FROM sqlite_sequence WHERE name = 'audit_event';
INSERT INTO sqlite_sequence (name, seq) VALUES ('audit_event', 12);
DELETE FROM sqlite_sequence WHERE name = 'run';
INSERT INTO sqlite_sequence (name, seq) VALUES ('run', 1);
DELETE FROM sqlite_sequence WHERE name = 'candidate';
INSERT INTO sqlite_sequence (name, seq) VALUES ('candidate', 3);
DELETE FROM sqlite_sequence WHERE name = 'choice';
INSERT INTO sqlite_sequence (name, seq) VALUES ('choice', 3);
DELETE FROM sqlite_sequence WHERE name = 'decision';
INSERT INTO sqlite_sequence (name, seq) VALUES ('decision', 3);
INSERT INTO run (id, owner, actor, method, state, wish, total, done, failed, message, started_at, seconds) VALUES (1, 'WHYMG9MDC82', 'Officer', 'quick', 'finished', '', 3, 3, 0, '', '2026-11-21T15:03:02.349Z', 0.269);
INSERT INTO record_finding (finding, seq) VALUES ('cardiomegaly', 1);
INSERT INTO record_finding (finding, seq) VALUES ('nodule', 3);
INSERT INTO record_finding (finding, seq) VALUES ('pleural_effusion', 1);
INSERT INTO candidate (id, record, method, releasable, settings_json, lexicon_version, seed, prompt_json, prompt_text, filtered, spans_json, surrogates_json, report_policy, image, height, width, evidence_json, error, actor, created_at) VALUES (1, 'R89YEJZR4X4', 'quick', 1, '{"models":{"quick":"0000000000000000000000000000000000000000000000000000000000000000"},"name":"quick","requested":{"generation":{},"method":"quick","preset":"starter","prompt":{}}}', 1, 283913445, '{"alignment_after":0.6,"alignment_before":0.2,"alignment_constrained":0.0,"alignment_soft":0.7,"init":"report","text":"chest radiograph 4","tokens":[{"cosine":0.5,"id":0,"rank":1,"refused":[],"report_word":"chest","role":"neutral","text":"chest"},{"cosine":0.5,"id":1,"rank":1,"refused":[],"report_word":"radiograph","role":"neutral","text":"radiograph"},{"cosine":0.5,"id":2,"rank":1,"refused":[],"report_word":"4","role":"neutral","text":"4"}],"trace":[0.8,0.4],"unread":""}', 'chest radiograph 4', 'FINDINGS: The heart is enlarged. There is a small left pleural effusion. IMPRESSION: Cardiomegaly.', '[]', '[]', 'placeholder', 'd1dfbb6ecc25b29a851df119cc45f9b59dcd71407fa9204e1013728ccdcc3e29', 64, 64, '{"alignment":{"after":0.6,"before":0.2,"soft":0.7},"domain":{"distance":47.886,"outside":true,"percentile":100.0},"findings":{"report":{"cardiomegaly":"present","pleural_effusion":"present"}},"forbidden_in_prompt":{"count":0,"kinds":[]},"image_text":{"boxes":[],"count":0},"method":{},"rarity":{"findings":["cardiomegaly","pleural_effusion"],"others":0},"residual_phi":{"count":0,"kinds":[]}}', '', 'Officer', '2026-11-21T15:03:02.545Z');
INSERT INTO candidate (id, record, method, releasable, settings_json, lexicon_version, seed, prompt_json, prompt_text, filtered, spans_json, surrogates_json, report_policy, image, height, width, evidence_json, error, actor, created_at) VALUES (2, 'RPAM5THTXAT', 'quick', 1, '{"models":{"quick":"0000000000000000000000000000000000000000000000000000000000000000"},"name":"quick","requested":{"generation":{},"method":"quick","preset":"starter","prompt":{}}}', 1, 684470833, '{"alignment_after":0.6,"alignment_before":0.2,"alignment_constrained":0.0,"alignment_soft":0.7,"init":"report","text":"chest radiograph 4","tokens":[{"cosine":0.5,"id":0,"rank":1,"refused":[],"report_word":"chest","role":"neutral","text":"chest"},{"cosine":0.5,"id":1,"rank":1,"refused":[],"report_word":"radiograph","role":"neutral","text":"radiograph"},{"cosine":0.5,"id":2,"rank":1,"refused":[],"report_word":"4","role":"neutral","text":"4"}],"trace":[0.8,0.4],"unread":""}', 'chest radiograph 4', 'FINDINGS: The lungs are clear. No pneumothorax. IMPRESSION: No acute disease.', '[]', '[]', 'placeholder', '6c420dbec437d4cbc1bec5497b59e5b6d151dbc584fa81c30e06b9993c7eeffb', 64, 64, '{"alignment":{"after":0.6,"before":0.2,"soft":0.7},"domain":{"distance":48.896,"outside":true,"percentile":100.0},"findings":{"report":{"atelectasis":"absent","consolidation":"absent","edema":"absent","pneumothorax":"absent"}},"forbidden_in_prompt":{"count":0,"kinds":[]},"image_text":{"boxes":[],"count":0},"method":{},"rarity":{"findings":[],"others":0},"residual_phi":{"count":0,"kinds":[]}}', '', 'Officer', '2026-11-21T15:03:02.577Z');
INSERT INTO candidate (id, record, method, releasable, settings_json, lexicon_version, seed, prompt_json, prompt_text, filtered, spans_json, surrogates_json, report_policy, image, height, width, evidence_json, error, actor, created_at) VALUES (3, 'RSBQNUCZYM3', 'quick', 1, '{"models":{"quick":"0000000000000000000000000000000000000000000000000000000000000000"},"name":"quick","requested":{"generation":{},"method":"quick","preset":"starter","prompt":{}}}', 1, 443542462, '{"alignment_after":0.6,"alignment_before":0.2,"alignment_constrained":0.0,"alignment_soft":0.7,"init":"report","text":"chest radiograph 6","tokens":[{"cosine":0.5,"id":0,"rank":1,"refused":[],"report_word":"chest","role":"neutral","text":"chest"},{"cosine":0.5,"id":1,"rank":1,"refused":[],"report_word":"radiograph","role":"neutral","text":"radiograph"},{"cosine":0.5,"id":2,"rank":1,"refused":[],"report_word":"6","role":"neutral","text":"6"}],"trace":[0.8,0.4],"unread":""}', 'chest radiograph 6', 'FINDINGS: There is a nodule in the right upper lobe. IMPRESSION: Nodule.', '[]', '[]', 'placeholder', 'ee4623560e0dddc866af9fa50d6e31faf66bc50b26cdad09d01ae4e9e8ecdc94', 64, 64, '{"alignment":{"after":0.6,"before":0.2,"soft":0.7},"domain":{"distance":44.342,"outside":true,"percentile":100.0},"findings":{"report":{"nodule":"present"}},"forbidden_in_prompt":{"count":0,"kinds":[]},"image_text":{"boxes":[],"count":0},"method":{},"rarity":{"findings":["nodule"],"others":0},"residual_phi":{"count":0,"kinds":[]}}', '', 'Officer', '2026-11-21T15:03:02.597Z');
INSERT INTO release (id, folder, officer, comment, pairs, lexicon_version, manifest_sha256, root_digest, audit_head, created_at) VALUES ('L4B6DNL39YT', '/srv/releases/first', 'Officer', '', 2, 1, 'a834c9986961f68cc3d0baa902c2c739e2f0e7a6def5837e994f7bfbcb07e06f', 'fdef9cb4b9f43a3af4ab9280663a882482c110aabeab7145adc47295b697e9a6', '8cd270846b766e39a64073cb882a898e2a55390d4ffdc954d046a283e88ec5a1', '2026-11-21T15:03:05.910Z');
INSERT INTO standing (seq, record, patient, state, candidate, revision, method, lexicon_version, risk, worst, alignment, approvals, reviewer, decided_at, released, flagged, error) VALUES (1, 'R89YEJZR4X4', 'PQDBH5XPEC5', 'approved', 1, 2, 'quick', 1, 3.5, 'warn', 0.6, 1, 'Dr. Reader', '2026-11-21T15:03:02.622Z', 1, 0, '');
INSERT INTO standing (seq, record, patient, state, candidate, revision, method, lexicon_version, risk, worst, alignment, approvals, reviewer, decided_at, released, flagged, error) VALUES (2, 'RPAM5THTXAT', 'PQ69UFV65TX', 'rejected', 2, 2, 'quick', 1, 3.5, 'warn', 0.6, 0, 'Dr. Reader', '2026-11-21T15:03:02.635Z', 0, 0, '');
INSERT INTO standing (seq, record, patient, state, candidate, revision, method, lexicon_version, risk, worst, alignment, approvals, reviewer, decided_at, released, flagged, error) VALUES (3, 'RSBQNUCZYM3', 'PQVXCMUVDQP', 'void', 3, 3, 'quick', 1, 3.5, 'warn', 0.6, 0, NULL, NULL, 1, 0, '');
INSERT INTO draft (record, owner, content_json, saved_at) VALUES ('RPAM5THTXAT', 'Dr. Second', '{"comment":"look again"}', '2026-11-21T15:03:02.658Z');
INSERT INTO grade (candidate, gates_json, worst, risk, alignment) VALUES (1, '[{"explanation":"The rules that filtered the report find no identifier left in it.","name":"residual_phi","state":"clear","threshold":0,"title":"Identifiers left in the report","value":0,"worse":"above"},{"explanation":"The prompt holds no word that the blacklist forbids.","name":"forbidden_in_prompt","state":"clear","threshold":0,"title":"Forbidden words in the prompt","value":0,"worse":"above"},{"explanation":"No legible text was found in the synthetic image.","name":"image_text","state":"clear","threshold":0,"title":"Text in the synthetic image","value":0,"worse":"above"},{"explanation":"The prompt describes the original image well for the encoder that wrote it (cosine 0.60, from 0.20).","name":"alignment","state":"clear","threshold":0.25,"title":"Prompt fits the original","value":0.6,"worse":"below"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"prompt_score","state":"unknown","threshold":0.35,"title":"Synthetic image fits the prompt","value":null,"worse":"below"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"identity_similarity","state":"unknown","threshold":0.7,"title":"Likeness to the patient","value":null,"worse":"above"},{"explanation":"Not measured: it takes the judges and at least ten patients to compare with.","name":"identity_rank","state":"unknown","threshold":2,"title":"Rank of the true patient","value":null,"worse":"below"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"findings_lost","state":"unknown","threshold":0,"title":"Findings lost","value":null,"worse":"above"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"findings_invented","state":"unknown","threshold":0,"title":"Findings invented","value":null,"worse":"above"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"memorisation","state":"unknown","threshold":1.0,"title":"Copy of a training image","value":null,"worse":"below"},{"explanation":"The original is unlike the images on which starter models and judges were trained: what they make of it, and say of it, may be wrong.","name":"domain","state":"warn","threshold":97.0,"title":"Known to the models","value":100.0,"worse":"above"},{"explanation":"No other patient shares this combination of findings: it singles a person out whatever the pixels show.","name":"rarity","state":"warn","threshold":1,"title":"Rare combination of findings","value":0,"worse":"below"}]', 'warn', 3.5, 0.6);
INSERT INTO grade (candidate, gates_json, worst, risk, alignment) VALUES (2, '[{"explanation":"The rules that filtered the report find no identifier left in it.","name":"residual_phi","state":"clear","threshold":0,"title":"Identifiers left in the report","value":0,"worse":"above"},{"explanation":"The prompt holds no word that the blacklist forbids.","name":"forbidden_in_prompt","state":"clear","threshold":0,"title":"Forbidden words in the prompt","value":0,"worse":"above"},{"explanation":"No legible text was found in the synthetic image.","name":"image_text","state":"clear","threshold":0,"title":"Text in the synthetic image","value":0,"worse":"above"},{"explanation":"The prompt describes the original image well for the encoder that wrote it (cosine 0.60, from 0.20).","name":"alignment","state":"clear","threshold":0.25,"title":"Prompt fits the original","value":0.6,"worse":"below"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"prompt_score","state":"unknown","threshold":0.35,"title":"Synthetic image fits the prompt","value":null,"worse":"below"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"identity_similarity","state":"unknown","threshold":0.7,"title":"Likeness to the patient","value":null,"worse":"above"},{"explanation":"Not measured: it takes the judges and at least ten patients to compare with.","name":"identity_rank","state":"unknown","threshold":2,"title":"Rank of the true patient","value":null,"worse":"below"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"findings_lost","state":"unknown","threshold":0,"title":"Findings lost","value":null,"worse":"above"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"findings_invented","state":"unknown","threshold":0,"title":"Findings invented","value":null,"worse":"above"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"memorisation","state":"unknown","threshold":1.0,"title":"Copy of a training image","value":null,"worse":"below"},{"explanation":"The original is unlike the images on which starter models and judges were trained: what they make of it, and say of it, may be wrong.","name":"domain","state":"warn","threshold":97.0,"title":"Known to the models","value":100.0,"worse":"above"},{"explanation":"No other patient shares this combination of findings: it singles a person out whatever the pixels show.","name":"rarity","state":"warn","threshold":1,"title":"Rare combination of findings","value":0,"worse":"below"}]', 'warn', 3.5, 0.6);
INSERT INTO grade (candidate, gates_json, worst, risk, alignment) VALUES (3, '[{"explanation":"The rules that filtered the report find no identifier left in it.","name":"residual_phi","state":"clear","threshold":0,"title":"Identifiers left in the report","value":0,"worse":"above"},{"explanation":"The prompt holds no word that the blacklist forbids.","name":"forbidden_in_prompt","state":"clear","threshold":0,"title":"Forbidden words in the prompt","value":0,"worse":"above"},{"explanation":"No legible text was found in the synthetic image.","name":"image_text","state":"clear","threshold":0,"title":"Text in the synthetic image","value":0,"worse":"above"},{"explanation":"The prompt describes the original image well for the encoder that wrote it (cosine 0.60, from 0.20).","name":"alignment","state":"clear","threshold":0.25,"title":"Prompt fits the original","value":0.6,"worse":"below"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"prompt_score","state":"unknown","threshold":0.35,"title":"Synthetic image fits the prompt","value":null,"worse":"below"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"identity_similarity","state":"unknown","threshold":0.7,"title":"Likeness to the patient","value":null,"worse":"above"},{"explanation":"Not measured: it takes the judges and at least ten patients to compare with.","name":"identity_rank","state":"unknown","threshold":2,"title":"Rank of the true patient","value":null,"worse":"below"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"findings_lost","state":"unknown","threshold":0,"title":"Findings lost","value":null,"worse":"above"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"findings_invented","state":"unknown","threshold":0,"title":"Findings invented","value":null,"worse":"above"},{"explanation":"Not measured: the judges, models that took no part in making this image, are not available here.","name":"memorisation","state":"unknown","threshold":1.0,"title":"Copy of a training image","value":null,"worse":"below"},{"explanation":"The original is unlike the images on which starter models and judges were trained: what they make of it, and say of it, may be wrong.","name":"domain","state":"warn","threshold":97.0,"title":"Known to the models","value":100.0,"worse":"above"},{"explanation":"No other patient shares this combination of findings: it singles a person out whatever the pixels show.","name":"rarity","state":"warn","threshold":1,"title":"Rare combination of findings","value":0,"worse":"below"}]', 'warn', 3.5, 0.6);
INSERT INTO gate_value (candidate, name, state, value) VALUES (1, 'alignment', 'clear', 0.6);
INSERT INTO gate_value (candidate, name, state, value) VALUES (1, 'domain', 'warn', 100.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (1, 'findings_invented', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (1, 'findings_lost', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (1, 'forbidden_in_prompt', 'clear', 0.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (1, 'identity_rank', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (1, 'identity_similarity', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (1, 'image_text', 'clear', 0.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (1, 'memorisation', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (1, 'prompt_score', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (1, 'rarity', 'warn', 0.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (1, 'residual_phi', 'clear', 0.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (2, 'alignment', 'clear', 0.6);
INSERT INTO gate_value (candidate, name, state, value) VALUES (2, 'domain', 'warn', 100.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (2, 'findings_invented', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (2, 'findings_lost', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (2, 'forbidden_in_prompt', 'clear', 0.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (2, 'identity_rank', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (2, 'identity_similarity', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (2, 'image_text', 'clear', 0.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (2, 'memorisation', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (2, 'prompt_score', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (2, 'rarity', 'warn', 0.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (2, 'residual_phi', 'clear', 0.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (3, 'alignment', 'clear', 0.6);
INSERT INTO gate_value (candidate, name, state, value) VALUES (3, 'domain', 'warn', 100.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (3, 'findings_invented', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (3, 'findings_lost', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (3, 'forbidden_in_prompt', 'clear', 0.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (3, 'identity_rank', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (3, 'identity_similarity', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (3, 'image_text', 'clear', 0.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (3, 'memorisation', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (3, 'prompt_score', 'unknown', NULL);
INSERT INTO gate_value (candidate, name, state, value) VALUES (3, 'rarity', 'warn', 0.0);
INSERT INTO gate_value (candidate, name, state, value) VALUES (3, 'residual_phi', 'clear', 0.0);
INSERT INTO choice (id, record, candidate, after_decision, actor, created_at) VALUES (1, 'R89YEJZR4X4', 1, 0, 'Officer', '2026-11-21T15:03:02.557Z');
INSERT INTO choice (id, record, candidate, after_decision, actor, created_at) VALUES (2, 'RPAM5THTXAT', 2, 0, 'Officer', '2026-11-21T15:03:02.579Z');
INSERT INTO choice (id, record, candidate, after_decision, actor, created_at) VALUES (3, 'RSBQNUCZYM3', 3, 0, 'Officer', '2026-11-21T15:03:02.599Z');
INSERT INTO violation (candidate, lexicon_version, record, terms_json, after_decision) VALUES (3, 2, 'RSBQNUCZYM3', '["nodule"]', 3);
INSERT INTO decision (id, record, candidate, reviewer, role, verdict, reasons_json, comment, overrides_json, undoes, blind, decided_at) VALUES (1, 'R89YEJZR4X4', 1, 'Dr. Reader', 'radiologist', 'approve', '[]', '', '[]', NULL, 0, '2026-11-21T15:03:02.622Z');
INSERT INTO decision (id, record, candidate, reviewer, role, verdict, reasons_json, comment, overrides_json, undoes, blind, decided_at) VALUES (2, 'RPAM5THTXAT', 2, 'Dr. Reader', 'radiologist', 'reject', '[]', 'The finding is lost.', '[]', NULL, 0, '2026-11-21T15:03:02.635Z');
INSERT INTO decision (id, record, candidate, reviewer, role, verdict, reasons_json, comment, overrides_json, undoes, blind, decided_at) VALUES (3, 'RSBQNUCZYM3', 3, 'Dr. Reader', 'radiologist', 'approve', '[]', '', '[]', NULL, 0, '2026-11-21T15:03:02.647Z');
INSERT INTO release_pair (release, candidate, record) VALUES ('L4B6DNL39YT', 1, 'R89YEJZR4X4');
INSERT INTO release_pair (release, candidate, record) VALUES ('L4B6DNL39YT', 3, 'RSBQNUCZYM3');
INSERT INTO record_text (rowid, body) VALUES (1, 'R89YEJZR4X4 PQDBH5XPEC5 S6QLZJUFKA4 chest radiograph 4 FINDINGS: The heart is enlarged. There is a small left pleural effusion. IMPRESSION: Cardiomegaly.');
INSERT INTO record_text (rowid, body) VALUES (2, 'RPAM5THTXAT PQ69UFV65TX SLLS4V2J4LH chest radiograph 4 FINDINGS: The lungs are clear. No pneumothorax. IMPRESSION: No acute disease.');
INSERT INTO record_text (rowid, body) VALUES (3, 'RSBQNUCZYM3 PQVXCMUVDQP SJSQA4FWSAZ chest radiograph 6 FINDINGS: There is a nodule in the right upper lobe. IMPRESSION: Nodule.');
CREATE TRIGGER record_no_update BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT, 'record is append-only'); END;
CREATE TRIGGER record_no_delete BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'record is append-only'); END;
CREATE TRIGGER record_no_replace BEFORE INSERT ON record WHEN EXISTS (SELECT 1 FROM record WHERE seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'record is append-only'); END;
CREATE TRIGGER pseudonym_no_update BEFORE UPDATE ON pseudonym BEGIN SELECT RAISE(ABORT, 'pseudonym is append-only'); END;
CREATE TRIGGER pseudonym_no_delete BEFORE DELETE ON pseudonym BEGIN SELECT RAISE(ABORT, 'pseudonym is append-only'); END;
CREATE TRIGGER pseudonym_no_replace BEFORE INSERT ON pseudonym WHEN EXISTS (SELECT 1 FROM pseudonym WHERE kind = NEW.kind AND key = NEW.key) BEGIN SELECT RAISE(ABORT, 'pseudonym is append-only'); END;
CREATE TRIGGER lexicon_version_no_update BEFORE UPDATE ON lexicon_version BEGIN SELECT RAISE(ABORT, 'lexicon_version is append-only'); END;
CREATE TRIGGER lexicon_version_no_delete BEFORE DELETE ON lexicon_version BEGIN SELECT RAISE(ABORT, 'lexicon_version is append-only'); END;
CREATE TRIGGER lexicon_version_no_replace BEFORE INSERT ON lexicon_version WHEN EXISTS (SELECT 1 FROM lexicon_version WHERE version = NEW.version) BEGIN SELECT RAISE(ABORT, 'lexicon_version is append-only'); END;
CREATE TRIGGER candidate_no_update BEFORE UPDATE ON candidate BEGIN SELECT RAISE(ABORT, 'candidate is append-only'); END;
CREATE TRIGGER candidate_no_delete BEFORE DELETE ON candidate BEGIN SELECT RAISE(ABORT, 'candidate is append-only'); END;
CREATE TRIGGER candidate_no_replace BEFORE INSERT ON candidate WHEN EXISTS (SELECT 1 FROM candidate WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'candidate is append-only'); END;
CREATE TRIGGER choice_no_update BEFORE UPDATE ON choice BEGIN SELECT RAISE(ABORT, 'choice is append-only'); END;
CREATE TRIGGER choice_no_delete BEFORE DELETE ON choice BEGIN SELECT RAISE(ABORT, 'choice is append-only'); END;
CREATE TRIGGER choice_no_replace BEFORE INSERT ON choice WHEN EXISTS (SELECT 1 FROM choice WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'choice is append-only'); END;
CREATE TRIGGER violation_no_update BEFORE UPDATE ON violation BEGIN SELECT RAISE(ABORT, 'violation is append-only'); END;
CREATE TRIGGER violation_no_delete BEFORE DELETE ON violation BEGIN SELECT RAISE(ABORT, 'violation is append-only'); END;
CREATE TRIGGER violation_no_replace BEFORE INSERT ON violation WHEN EXISTS (SELECT 1 FROM violation WHERE candidate = NEW.candidate AND lexicon_version = NEW.lexicon_version) BEGIN SELECT RAISE(ABORT, 'violation is append-only'); END;
CREATE TRIGGER decision_no_update BEFORE UPDATE ON decision BEGIN SELECT RAISE(ABORT, 'decision is append-only'); END;
CREATE TRIGGER decision_no_delete BEFORE DELETE ON decision BEGIN SELECT RAISE(ABORT, 'decision is append-only'); END;
CREATE TRIGGER decision_no_replace BEFORE INSERT ON decision WHEN EXISTS (SELECT 1 FROM decision WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'decision is append-only'); END;
CREATE TRIGGER policy_version_no_update BEFORE UPDATE ON policy_version BEGIN SELECT RAISE(ABORT, 'policy_version is append-only'); END;
CREATE TRIGGER policy_version_no_delete BEFORE DELETE ON policy_version BEGIN SELECT RAISE(ABORT, 'policy_version is append-only'); END;
CREATE TRIGGER policy_version_no_replace BEFORE INSERT ON policy_version WHEN EXISTS (SELECT 1 FROM policy_version WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'policy_version is append-only'); END;
CREATE TRIGGER release_no_update BEFORE UPDATE ON release BEGIN SELECT RAISE(ABORT, 'release is append-only'); END;
CREATE TRIGGER release_no_delete BEFORE DELETE ON release BEGIN SELECT RAISE(ABORT, 'release is append-only'); END;
CREATE TRIGGER release_no_replace BEFORE INSERT ON release WHEN EXISTS (SELECT 1 FROM release WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'release is append-only'); END;
CREATE TRIGGER release_pair_no_update BEFORE UPDATE ON release_pair BEGIN SELECT RAISE(ABORT, 'release_pair is append-only'); END;
CREATE TRIGGER release_pair_no_delete BEFORE DELETE ON release_pair BEGIN SELECT RAISE(ABORT, 'release_pair is append-only'); END;
CREATE TRIGGER release_pair_no_replace BEFORE INSERT ON release_pair WHEN EXISTS (SELECT 1 FROM release_pair WHERE release = NEW.release AND candidate = NEW.candidate) BEGIN SELECT RAISE(ABORT, 'release_pair is append-only'); END;
CREATE TRIGGER audit_event_no_update BEFORE UPDATE ON audit_event BEGIN SELECT RAISE(ABORT, 'audit_event is append-only'); END;
CREATE TRIGGER audit_event_no_delete BEFORE DELETE ON audit_event BEGIN SELECT RAISE(ABORT, 'audit_event is append-only'); END;
CREATE TRIGGER audit_event_no_replace BEFORE INSERT ON audit_event WHEN EXISTS (SELECT 1 FROM audit_event WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'audit_event is append-only'); END;
PRAGMA user_version = 1;
