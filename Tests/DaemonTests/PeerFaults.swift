// Faults that users of other tools met, or that lie open in those tools' source, and the test of ours that would catch each. Numbers are
// those of the tools' own issue trackers. Tests without a folder are in Tests/DaemonTests and try the running daemon.
//
// | Fault | Whose | Our test |
// | --- | --- | --- |
// | A backoff is computed and never slept | Vault #20645, #26382; OpenBao PR 4036 | EngineTests RetryBackoffTests.jitterBetweenFloorAndCeiling; Trial.checkPace, each row |
// | A margin larger than the lifetime makes a busy loop | token-refresher, pizauth, AWS helper | RefreshTests.shortLives; EngineTests RefreshScheduleTests.noLifetimeMakesATightLoop |
// | The file is written in place: readers see half a token | spiffe-helper #422, osg, AWS helper | AdoptionTests.killedInTheMiddle; every TokenReader report |
// | The mode is set at creation only, or cut by the umask | spiffe-helper #422, Vault | StartTests.fileAsConfigured; PublicationTests.disturbed |
// | mode = 640 is read as decimal | Vault #9404 | MisconfigurationTests "mode as a number" |
// | An outage discards a token that is still good | Vault #10918, AthenZ #2363 | FaultMatrixTests, every row at .refresh |
// | A changed CA bundle is not read | Vault #16266 | RotationTests.filesAreReadAgain |
// | One token's failure has all others asked for again | Vault #26283 | RefreshTests.independence |
// | Ready before the credential is there | nixos-vault-service #36, Vault, pizauth | StartTests.readyMeansToken, StartTests.notReady |
// | A notification that fails kills the service | Vault #15532 | SignalTests.notifySocketGone |
// | Times are wrong after a suspend | pizauth #47, cert-manager PR 8464 | ClockTests.suspendedBetween; SignalTests.stoppedAndContinued; EngineTests TokenLifecycleTests.aRequestDoesNotOutliveASuspend |
// | A dead token is left for readers | Envoy #44674, every peer that writes files | FaultMatrixTests, every row at .end |
// | 200 with an empty body is never tried again | Envoy #42009 | FaultMatrixTests "200 with an empty body" |
// | A missing expires_in means "for ever" | several clients | RefreshTests.unsaid, RefreshTests.disagreement |
// | A changed scope goes on with the old token | Duende Support #1396 | ReloadTests.changedSettings |
// | Refresh stops for ever after one failure | smoke-aws-credentials #7, AthenZ #2363 | every row of FaultMatrixTests recovers; EngineTests TokenLifecycleTests.everyEventInEveryPhaseLeavesATimerAhead |
// | A rotated secret needs a restart | zmon-controller #31, fluent-bit PR 12118 | RotationTests.filesAreReadAgain, RotationTests.twoSecrets |
// | SIGHUP does half of what it should, or nothing | Vault #8216 | ReloadTests, the whole suite |
// | A broken configuration ends the running service at a reload | pizauth (exit 1) | ReloadTests.broken |
// | The clock is one second behind, and nbf is now | IdentityServer4 #397 | ClockTests.serverOff |
// | Retry-After is ignored | all that were read | FaultMatrixTests "Retry-After" at .start |
// | The secret stands in ps or in the log | token-refresher, oidc-agent --debug, Duende | SignalTests.procfs; Scene.expectNothingLeaked, after every test |
// | Only one way of writing HTTP Basic | x/oauth2, most clients | ClientAuthenticationTests.basic; Tests/Glewlwyd |
// | Made-up key ids make a storm of key reloads | (none guards against it) | RotationTests.forgedKids |
// | A discovery outage stops refreshes | (HTCondor alone goes on) | RotationTests.documentsOut |
// | Health that lies: ready though refresh has failed for hours and the token has ended | spiffe-helper, OpenBao | StatusCommandTests.answersAsAProbe; FaultMatrixTests, every row at .end |
// | A command exits with 0 without a new token | oidc-token | ShowCommandTests.waitsForNothingThatCannotCome |
// | Readers are of another group than the daemon | Vault #13406, OpenBao 2850 | Tests/Systemd/service.test; OutputTests; StartTests.fileAsConfigured |
// | A reader needs more life than is left, or a new token now | x/oauth2 #623 | ShowCommandTests.demandsANewerOne; RefreshTests.refreshNow |
// | The file system is full, or the directory replaced | (no peer tests it) | PublicationTests.full, PublicationTests.directoryRemoved |
