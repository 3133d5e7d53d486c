BEGIN TRANSACTION;
CREATE TABLE absences (
	environment TEXT NOT NULL, 
	account_id INTEGER NOT NULL, 
	idnumber TEXT NOT NULL, 
	since DATETIME NOT NULL, 
	CONSTRAINT pk_absences PRIMARY KEY (environment, account_id)
);
CREATE TABLE account_keys (
	environment TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	account_id INTEGER NOT NULL, 
	CONSTRAINT pk_account_keys PRIMARY KEY (environment, "key", account_id)
)
 WITHOUT ROWID

;
CREATE TABLE activity (
	id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	"by" TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	action TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	CONSTRAINT pk_activity PRIMARY KEY (id)
);
CREATE TABLE approvals (
	id INTEGER NOT NULL, 
	run TEXT NOT NULL, 
	plan_digest TEXT NOT NULL, 
	reasons TEXT NOT NULL, 
	asked_at DATETIME NOT NULL, 
	decision TEXT NOT NULL, 
	decided_by TEXT NOT NULL, 
	at DATETIME, 
	CONSTRAINT pk_approvals PRIMARY KEY (id), 
	CONSTRAINT fk_approvals_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "approvals" VALUES(1,'cf46bda6-706c-4b1c-8c01-1efe3ad5ee29','digest','["3 accounts would be suspended, which is more than 2."]','2026-01-05 02:00:09.000000','','',NULL);
CREATE TABLE claims (
	connection TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	since DATETIME NOT NULL, 
	CONSTRAINT pk_claims PRIMARY KEY (connection)
);
CREATE TABLE decisions (
	id INTEGER NOT NULL, 
	mismatch INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	account_id INTEGER, 
	note TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	facts_digest TEXT NOT NULL, 
	applied_run TEXT NOT NULL, 
	applied_at DATETIME, 
	lapsed_at DATETIME, 
	CONSTRAINT pk_decisions PRIMARY KEY (id), 
	CONSTRAINT fk_decisions_mismatch FOREIGN KEY(mismatch) REFERENCES mismatches (id) ON DELETE CASCADE
);
CREATE TABLE intentions (
	run TEXT NOT NULL, 
	plan_no INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	state TEXT NOT NULL, 
	batch TEXT NOT NULL, 
	sent_at DATETIME, 
	settled_at DATETIME, 
	CONSTRAINT pk_intentions PRIMARY KEY (run, plan_no, "key"), 
	CONSTRAINT fk_intentions_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "intentions" VALUES('f06ba8b9-e2d0-44f2-aaa9-02714a9e0fa1',1,'1','settled','',NULL,'2026-01-05 02:00:04.000000');
INSERT INTO "intentions" VALUES('f06ba8b9-e2d0-44f2-aaa9-02714a9e0fa1',1,'2','settled','',NULL,'2026-01-05 02:00:05.000000');
CREATE TABLE leases (
	environment TEXT NOT NULL, 
	holder TEXT NOT NULL, 
	token INTEGER NOT NULL, 
	since DATETIME NOT NULL, 
	expires DATETIME NOT NULL, 
	CONSTRAINT pk_leases PRIMARY KEY (environment)
);
CREATE TABLE links (
	environment TEXT NOT NULL, 
	idnumber TEXT NOT NULL, 
	account_id INTEGER NOT NULL, 
	person_id TEXT NOT NULL, 
	username TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	created_by_us BOOLEAN NOT NULL, 
	suspended_by TEXT NOT NULL, 
	suspended_at DATETIME, 
	linked_at DATETIME NOT NULL, 
	seen_at DATETIME NOT NULL, 
	CONSTRAINT pk_links PRIMARY KEY (environment, idnumber)
);
CREATE TABLE mismatches (
	id INTEGER NOT NULL, 
	environment TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	verdict TEXT NOT NULL, 
	facts_digest TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	status TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	person_id TEXT NOT NULL, 
	extern_id TEXT NOT NULL, 
	idnumber TEXT NOT NULL, 
	account_id INTEGER, 
	other_accounts TEXT NOT NULL, 
	username TEXT NOT NULL, 
	firstname TEXT NOT NULL, 
	lastname TEXT NOT NULL, 
	email TEXT NOT NULL, 
	email_key TEXT NOT NULL, 
	name_key TEXT NOT NULL, 
	evidence TEXT NOT NULL, 
	proposal TEXT NOT NULL, 
	first_seen DATETIME NOT NULL, 
	last_seen DATETIME NOT NULL, 
	times_seen INTEGER NOT NULL, 
	last_run TEXT NOT NULL, since DATETIME, 
	CONSTRAINT pk_mismatches PRIMARY KEY (id), 
	CONSTRAINT uq_mismatches_environment_subject_verdict_facts_digest UNIQUE (environment, subject, verdict, facts_digest)
);
INSERT INTO "mismatches" VALUES(1,'demo','person P1','id_missing','fed2d1464f334ef85f6222b64d9cf62bae6e1ffd674d925335f04afa0843e997','{"accounts": {"21": {"email": "j1.bos@example.org", "firstname": "Jurgen", "idnumber": "", "lastname": "van der Meer", "suspended": false, "username": "jurgen"}}, "person": {"email": "j1.bos@example.org", "extern_id": "E1", "firstname": "Jürgen", "idnumber": "E1", "lastname": "van der Meer", "person_id": "P1"}}','open',1,'P1','E1','E1',21,'[21]','jurgen','Jürgen','van der Meer','j1.bos@example.org','j1.bos@example.org','van der meer jürgen','No account has idnumber ''E1''; e-mail ''j1.bos@example.org'' points at account 21 (jurgen), which has no idnumber.','link','2026-01-05 02:00:01.000000','2026-01-05 02:00:01.000000',1,'f483db2c-f9aa-4725-b140-63209fc05fad','2026-01-05 02:00:01.000000');
INSERT INTO "mismatches" VALUES(2,'demo','person P2','id_differs','89d772e7ecb6bae588c9668c543e0936ef81bf4645ac692ce34e499e6fa61eda','{"accounts": {"22": {"email": "a2.bos@example.org", "firstname": "Ayşe", "idnumber": "A-99", "lastname": "Yildiz", "suspended": false, "username": "anna-bos2x"}}, "person": {"email": "a2.bos@example.org", "extern_id": "E2", "firstname": "Ayşe", "idnumber": "E2", "lastname": "Yıldız", "person_id": "P2"}}','open',1,'P2','E2','E2',22,'[22]','anna-bos2x','Ayşe','Yıldız','a2.bos@example.org','a2.bos@example.org','yıldız ayşe','No account has idnumber ''E2''; e-mail ''a2.bos@example.org'' points at account 22 (anna-bos2x), which has idnumber ''A-99'', not known in the source.','','2026-01-05 02:00:01.000000','2026-01-05 02:00:01.000000',1,'f483db2c-f9aa-4725-b140-63209fc05fad','2026-01-05 02:00:01.000000');
INSERT INTO "mismatches" VALUES(3,'demo','person P3','id_other_scheme','772ffe012946cdb6d8194d51cf58b9de934d7e607837086ef1ec12ae76da272e','{"accounts": {"23": {"email": "ł3.bos@example.org", "firstname": "Łukasz", "idnumber": "P3", "lastname": "Żółć", "suspended": false, "username": "anna-bos3x"}}, "person": {"email": "ł3.bos@example.org", "extern_id": "E3", "firstname": "Łukasz", "idnumber": "E3", "lastname": "Żółć", "person_id": "P3"}}','open',1,'P3','E3','E3',23,'[23]','anna-bos3x','Łukasz','Żółć','ł3.bos@example.org','ł3.bos@example.org','żółć łukasz','No account has idnumber ''E3''; e-mail ''ł3.bos@example.org'' points at account 23 (anna-bos3x), which has idnumber ''P3'': this person''s other id.','re-key','2026-01-05 02:00:01.000000','2026-01-05 02:00:01.000000',1,'f483db2c-f9aa-4725-b140-63209fc05fad','2026-01-05 02:00:01.000000');
INSERT INTO "mismatches" VALUES(4,'demo','person P4','id_case','315ec67334ce6e46114d72541d9b4b02390cc1988c17f7659121ee551254d647','{"accounts": {"24": {"email": "a4.bos@example.org", "firstname": "Anna", "idnumber": "E4X ", "lastname": "<script>alert(1)</script>", "suspended": false, "username": "anna-bos4x"}}, "person": {"email": "a4.bos@example.org", "extern_id": "e4x", "firstname": "Anna", "idnumber": "e4x", "lastname": "<script>alert(1)</script>", "person_id": "P4"}}','open',1,'P4','e4x','e4x',24,'[24]','anna-bos4x','Anna','<script>alert(1)</script>','a4.bos@example.org','a4.bos@example.org','<script>alert(1)</script> anna','No account has idnumber ''e4x'', but account 24 (anna-bos4x) has ''E4X '', the same but for letter case or surrounding spaces; e-mail ''a4.bos@example.org'' points at it too.','re-key','2026-01-05 02:00:01.000000','2026-01-05 02:00:01.000000',1,'f483db2c-f9aa-4725-b140-63209fc05fad','2026-01-05 02:00:01.000000');
INSERT INTO "mismatches" VALUES(5,'demo','person P5','email_taken','e6e171e084b33ba7eaf423cbc218e4645fb2807e0098379eb9fc20de4d146f81','{"accounts": {"25": {"email": "old@example.org", "firstname": "Otto", "idnumber": "E5", "lastname": "{{7*7}}", "suspended": false, "username": "anna-bos5x"}, "26": {"email": "o5.bos@example.org", "firstname": "Otto", "idnumber": "", "lastname": "Ander", "suspended": false, "username": "user26"}}, "person": {"email": "o5.bos@example.org", "extern_id": "E5", "firstname": "Otto", "idnumber": "E5", "lastname": "{{7*7}}", "person_id": "P5"}}','open',1,'P5','E5','E5',25,'[26]','anna-bos5x','Otto','{{7*7}}','o5.bos@example.org','o5.bos@example.org','{{7*7}} otto','Account 25 (anna-bos5x) has idnumber ''E5'', but e-mail ''o5.bos@example.org'' belongs to account 26 (user26).','','2026-01-05 02:00:01.000000','2026-01-05 02:00:01.000000',1,'f483db2c-f9aa-4725-b140-63209fc05fad','2026-01-05 02:00:01.000000');
INSERT INTO "mismatches" VALUES(6,'demo','person P6','ambiguous','02b4f888647b2e9e11da7d67360a0a86c12260cbaf415ff8d0897e60d63a7129','{"accounts": {"27": {"email": "s6.bos@example.org", "firstname": "Sanne", "idnumber": "", "lastname": "de Wit-Jansen", "suspended": false, "username": "iemand"}, "28": {"email": "user28@example.org", "firstname": "Sanne", "idnumber": "", "lastname": "de Wit", "suspended": false, "username": "anna-bos6x"}}, "person": {"email": "s6.bos@example.org", "extern_id": "E6", "firstname": "Sanne", "idnumber": "E6", "lastname": "de Wit-Jansen", "person_id": "P6"}}','open',1,'P6','E6','E6',NULL,'[27, 28]','','Sanne','de Wit-Jansen','s6.bos@example.org','s6.bos@example.org','de wit-jansen sanne','No account has idnumber ''E6''; e-mail ''s6.bos@example.org'' points at account 27 (iemand) without idnumber, while username ''anna-bos6x'' points at account 28 (anna-bos6x) without idnumber.','','2026-01-05 02:00:01.000000','2026-01-05 02:00:01.000000',1,'f483db2c-f9aa-4725-b140-63209fc05fad','2026-01-05 02:00:01.000000');
INSERT INTO "mismatches" VALUES(7,'demo','person P7','duplicate_account','e39938c04ddc31094da226ef18c98d9190ee684bb86e7ce1058d91a0ca33e469','{"accounts": {"29": {"email": "μ7.bos@example.org", "firstname": "Μαρία", "idnumber": "E7", "lastname": "Παπαδοπούλου", "suspended": false, "username": "anna-bos7x"}, "30": {"email": "zzz@example.org", "firstname": "Μαρία", "idnumber": "E7", "lastname": "Παπαδοπούλου", "suspended": true, "username": "maria2"}}, "person": {"email": "μ7.bos@example.org", "extern_id": "E7", "firstname": "Μαρία", "idnumber": "E7", "lastname": "Παπαδοπούλου", "person_id": "P7"}}','open',1,'P7','E7','E7',NULL,'[29, 30]','','Μαρία','Παπαδοπούλου','μ7.bos@example.org','μ7.bos@example.org','παπαδοπούλου μαρία','Idnumber ''E7'' is on account 29 (anna-bos7x) and account 30 (maria2).','','2026-01-05 02:00:01.000000','2026-01-05 02:00:01.000000',1,'f483db2c-f9aa-4725-b140-63209fc05fad','2026-01-05 02:00:01.000000');
INSERT INTO "mismatches" VALUES(8,'demo','person P8','held','04b64c2ee4d6d5347cf04ba02eb9c766b929bff71a00432638095ffb390e1d66','{"accounts": {"31": {"email": "b8.bos@example.org", "firstname": "Bram", "idnumber": "E8", "lastname": "Bakker", "suspended": true, "username": "anna-bos8x"}}, "person": {"email": "b8.bos@example.org", "extern_id": "E8", "firstname": "Bram", "idnumber": "E8", "lastname": "Bakker", "person_id": "P8"}}','open',1,'P8','E8','E8',31,'[]','anna-bos8x','Bram','Bakker','b8.bos@example.org','b8.bos@example.org','bakker bram','Account 31 (anna-bos8x) has idnumber ''E8'', but someone else than this coupling suspended it.','','2026-01-05 02:00:01.000000','2026-01-05 02:00:01.000000',1,'f483db2c-f9aa-4725-b140-63209fc05fad','2026-01-05 02:00:01.000000');
INSERT INTO "mismatches" VALUES(9,'demo','account 33','orphan','bd8a4af05987585ad2ef37980305589f473b740b50fe92821b0d8e6513263242','{"accounts": {"33": {"email": "user33@example.org", "firstname": "Wim", "idnumber": "GONE-1", "lastname": "Weg", "suspended": false, "username": "weg"}}, "person": {"email": "user33@example.org", "extern_id": "", "firstname": "Wim", "idnumber": "GONE-1", "lastname": "Weg", "person_id": ""}}','open',1,'','','GONE-1',33,'[]','weg','Wim','Weg','user33@example.org','user33@example.org','weg wim','Account 33 (weg) has idnumber ''GONE-1'', which belongs to no person.','suspend','2026-01-05 02:00:01.000000','2026-01-05 02:00:01.000000',1,'f483db2c-f9aa-4725-b140-63209fc05fad','2026-01-05 02:00:01.000000');
CREATE TABLE moodle_coupling_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT moodle_coupling_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "moodle_coupling_version" VALUES('0005');
CREATE TABLE outcomes (
	id INTEGER NOT NULL, 
	run TEXT NOT NULL, 
	plan_no INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	standing BOOLEAN NOT NULL, 
	environment TEXT NOT NULL, 
	"row" INTEGER, 
	person_id TEXT NOT NULL, 
	extern_id TEXT NOT NULL, 
	idnumber TEXT NOT NULL, 
	account_id INTEGER, 
	verdict TEXT NOT NULL, 
	action TEXT NOT NULL, 
	username TEXT NOT NULL, 
	firstname TEXT NOT NULL, 
	lastname TEXT NOT NULL, 
	email TEXT NOT NULL, 
	email_key TEXT NOT NULL, 
	name_key TEXT NOT NULL, 
	status TEXT NOT NULL, 
	code TEXT NOT NULL, 
	message TEXT NOT NULL, 
	changes TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_outcomes PRIMARY KEY (id), 
	CONSTRAINT fk_outcomes_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE, 
	CONSTRAINT uq_outcomes_run_plan_no_key_attempt UNIQUE (run, plan_no, "key", attempt)
);
INSERT INTO "outcomes" VALUES(1,'f06ba8b9-e2d0-44f2-aaa9-02714a9e0fa1',1,'1',1,1,'demo',1,'p1','x1','x1',1001,'new','create','user1','Bram','Jansen','Person1@example.org','person1@example.org','jansen bram','failed','refused','Moodle does not take this: Invalid parameter value detected.','{"lastname": [null, "de Vries"]}','2026-01-05 02:00:00.000000');
INSERT INTO "outcomes" VALUES(2,'f06ba8b9-e2d0-44f2-aaa9-02714a9e0fa1',1,'2',1,1,'demo',2,'p2','x2','x2',1002,'','reject','user2','Chloé','Öztürk','Person2@example.org','person2@example.org','öztürk chloé','rejected','lastname_missing','The last name is missing; Moodle makes no account without one.','{"lastname": [null, "de Vries"]}','2026-01-05 02:00:00.000000');
CREATE TABLE progress (
	run TEXT NOT NULL, 
	step TEXT NOT NULL, 
	done INTEGER NOT NULL, 
	total INTEGER, 
	started DATETIME NOT NULL, 
	at DATETIME NOT NULL, 
	steady_since DATETIME NOT NULL, 
	steady_done INTEGER NOT NULL, 
	CONSTRAINT pk_progress PRIMARY KEY (run, step), 
	CONSTRAINT fk_progress_run FOREIGN KEY(run) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE protections (
	id INTEGER NOT NULL, 
	environment TEXT NOT NULL, 
	account_id INTEGER NOT NULL, 
	"by" TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	note TEXT NOT NULL, 
	mismatch INTEGER, 
	CONSTRAINT pk_protections PRIMARY KEY (id), 
	CONSTRAINT fk_protections_mismatch FOREIGN KEY(mismatch) REFERENCES mismatches (id) ON DELETE SET NULL, 
	CONSTRAINT uq_protections_environment_account_id_mismatch UNIQUE (environment, account_id, mismatch)
);
CREATE TABLE quarantines (
	id INTEGER NOT NULL, 
	environment TEXT NOT NULL, 
	since DATETIME NOT NULL, 
	level INTEGER NOT NULL, 
	until DATETIME NOT NULL, 
	reason TEXT NOT NULL, 
	lifted_by TEXT NOT NULL, 
	lifted_at DATETIME, 
	CONSTRAINT pk_quarantines PRIMARY KEY (id)
);
INSERT INTO "quarantines" VALUES(1,'demo','2026-01-05 02:00:10.000000',1,'2026-01-05 08:00:10.000000','The site does not answer.','',NULL);
CREATE TABLE readings (
	environment TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	highest INTEGER NOT NULL, 
	CONSTRAINT pk_readings PRIMARY KEY (environment)
);
CREATE TABLE runs (
	id TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	dag_id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	mode TEXT NOT NULL, 
	state TEXT NOT NULL, 
	started DATETIME NOT NULL, 
	ended DATETIME, 
	counts JSON NOT NULL, 
	plan_digest TEXT NOT NULL, 
	plan_no INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_runs PRIMARY KEY (id), 
	CONSTRAINT uq_runs_environment_dag_id_run_id UNIQUE (environment, dag_id, run_id)
);
INSERT INTO "runs" VALUES('f483db2c-f9aa-4725-b140-63209fc05fad','demo','moodle_reconcile__demo','manual__1','full','done','2026-01-05 02:00:00.000000','2026-01-05 02:00:02.000000','{"done_none": 1}','',0,'');
INSERT INTO "runs" VALUES('f06ba8b9-e2d0-44f2-aaa9-02714a9e0fa1','demo','moodle_reconcile__demo','manual__2','full','failed','2026-01-05 02:00:03.000000','2026-01-05 02:00:06.000000','{"failed": 1, "rejected": 1}','d',1,'1 of 2 persons went wrong, which is more than fail_share allows.');
INSERT INTO "runs" VALUES('cf46bda6-706c-4b1c-8c01-1efe3ad5ee29','demo','moodle_reconcile__demo','manual__3','full','waiting_approval','2026-01-05 02:00:07.000000',NULL,'{}','',0,'');
CREATE TABLE shared_documents (
	"key" TEXT NOT NULL, 
	document TEXT NOT NULL, 
	changed_at DATETIME NOT NULL, 
	CONSTRAINT pk_shared_documents PRIMARY KEY ("key")
);
CREATE INDEX ix_links_person_id ON links (person_id);
CREATE UNIQUE INDEX uq_links_environment_account_id ON links (environment, account_id);
CREATE INDEX ix_runs_environment_started ON runs (environment, started);
CREATE INDEX ix_intentions_run_plan_no_state ON intentions (run, plan_no, state);
CREATE INDEX ix_approvals_run ON approvals (run);
CREATE UNIQUE INDEX uq_approvals_open ON approvals (run, plan_digest) WHERE decision = '';
CREATE INDEX ix_outcomes_account_id ON outcomes (environment, account_id);
CREATE INDEX ix_outcomes_email_key ON outcomes (email_key, at);
CREATE INDEX ix_outcomes_environment_at ON outcomes (environment, at);
CREATE INDEX ix_outcomes_extern_id ON outcomes (extern_id, at);
CREATE INDEX ix_outcomes_idnumber ON outcomes (idnumber, at);
CREATE INDEX ix_outcomes_name_key ON outcomes (name_key);
CREATE INDEX ix_outcomes_person_id ON outcomes (person_id, at);
CREATE INDEX ix_outcomes_username ON outcomes (username, at);
CREATE UNIQUE INDEX uq_outcomes_standing ON outcomes (run, plan_no, "key") WHERE standing;
CREATE INDEX ix_mismatches_email_key ON mismatches (email_key);
CREATE INDEX ix_mismatches_environment_status ON mismatches (environment, status, last_seen);
CREATE INDEX ix_mismatches_extern_id ON mismatches (extern_id);
CREATE INDEX ix_mismatches_idnumber ON mismatches (idnumber);
CREATE INDEX ix_mismatches_name_key ON mismatches (name_key);
CREATE INDEX ix_mismatches_person_id ON mismatches (person_id);
CREATE INDEX ix_mismatches_username ON mismatches (username);
CREATE INDEX ix_decisions_at ON decisions (at);
CREATE INDEX ix_decisions_mismatch ON decisions (mismatch);
CREATE INDEX ix_quarantines_environment_since ON quarantines (environment, since);
CREATE UNIQUE INDEX uq_quarantines_open ON quarantines (environment) WHERE lifted_at IS NULL;
CREATE INDEX ix_activity_at ON activity (at);
CREATE INDEX ix_activity_environment_at ON activity (environment, at);
CREATE INDEX ix_protections_mismatch ON protections (mismatch);
CREATE INDEX ix_outcomes_listed ON outcomes (run, plan_no, standing, status, code, action, verdict, id);
COMMIT;
