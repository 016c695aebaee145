"""Faults that the class of a Java exception tells, and what stands beside it (docs/concepts/faults.md)."""

from __future__ import annotations

from etl.engine.faults.rule import MEMORY, PERMISSION, Rule

_DENIED = (
    r"Permission denied|Operation not permitted|Read-only file system|Access ?Denied|Status Code: 40[13]"
    r"|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken"
)
_BUSY = r"Status Code: (?:408|429|5\d\d)|Slow ?Down|Throttl|TooManyRequests|RequestTimeout|Service ?Unavailable|InternalError"

CLASSES = (
    Rule(
        "class",
        r".*\.(?:OutOfMemoryError|SparkOutOfMemoryError|OutOfMemoryException|OutOfDirectMemoryError|TooLargePageException|OversizedAllocationException"
        r"|ParquetMemoryManagerRuntimeException)",
        passes=True,
        reason="flows side by side share the memory; alone the same work may fit",
        kind="environment",
        hint=MEMORY,
    ),
    Rule(
        "class",
        r".*",
        saying=_BUSY,
        passes=True,
        reason="an object store or a service says that it cannot now",
        hint="the store or the service had too much to do; run again, or ask it for less at a time: nothing is half-written",
    ),
    Rule(
        "class",
        r".*(?:Exception|Error)",
        saying=_DENIED,
        passes=False,
        reason="a permission that is missing now is missing at the next try",
        kind="environment",
        hint=PERMISSION,
    ),
    Rule(
        "class",
        r"builtins\.PermissionError|java\.nio\.file\.(?:AccessDenied|ReadOnlyFileSystem)Exception|.*\.(?:\w*AccessControlException|AuthorizationException|AuthenticationException"
        r"|PathAccessDeniedException|PathPermissionException|KerberosAuthException|KerberosDiagsFailure|KeyAccessDeniedException|AclException"
        r"|InvalidBlockTokenException|InvalidEncryptionKeyException|ForbiddenException|SaslException|LoginException|SecurityException|SSLHandshakeException"
        r"|NoAuthWithAWSException|NoAwsCredentialsException|CredentialInitializationException|SparkSecurityException|SignerException)",
        passes=False,
        reason="a permission that is missing now is missing at the next try",
        kind="environment",
        hint=PERMISSION,
    ),
    Rule(
        "class",
        r"java\.io\.(?:NotSerializable|InvalidClass|InvalidObject|UTFDataFormat|CharConversion|UnsupportedEncoding|StreamCorrupted|NotActive)Exception"
        r"|java\.nio\.charset\.\w+|java\.util\.zip\.\w+|java\.util\.jar\.JarException|java\.net\.(?:MalformedURL|URISyntax|Protocol)Exception"
        r"|java\.nio\.file\.(?:NotDirectory|NotLink|DirectoryNotEmpty|FileSystemLoop|InvalidPath|ProviderNotFound)Exception",
        passes=False,
        reason="an address, a character or a byte that is wrong is as wrong at the next try",
    ),
    Rule(
        "class",
        r"java\.io\.FileNotFoundException",
        saying=r"\((?:Is a directory|Not a directory)\)",
        passes=False,
        reason="what is there is no file, or no folder",
    ),
    Rule(
        "class",
        r"org\.apache\.hadoop\.fs\.s3a\.(?:AWSBadRequest|UnknownStore|InvalidRequest|AWSRedirect|AWSUnsupportedFeature|NoVersionAttribute)\w*"
        r"|org\.apache\.hadoop\.fs\.(?:UnsupportedFileSystem|InvalidPath|InvalidPathHandle|InvalidRequest|ParentNotDirectory|PathIsDirectory|PathIsNotDirectory"
        r"|PathIsNotEmptyDirectory|UnsupportedMultipartUploader|Checksum|UnresolvedLink|PathNotFound|FileAlreadyExists|PathExists)Exception"
        r"|org\.apache\.hadoop\.fs\.(?:shell|viewfs|ftp)\..*|org\.apache\.hadoop\.fs\.(?:FsShell.*|DirectoryListingStartAfterNotFoundException)"
        r"|org\.apache\.hadoop\.(?:mapred|mapreduce)\..*(?:Invalid|AlreadyExists|LimitExceeded|CountersExceeded|TooSmall|Validation|TaskLimit)\w*"
        r"|org\.apache\.hadoop\.(?:conf|io\.compress|io\.erasurecode)\..*|org\.apache\.hadoop\.io\.(?:VersionMismatchException|SecureIOUtils.*)"
        r"|org\.apache\.hadoop\.hdfs\.(?:UnknownC\w+|server\.datanode\.CorruptMetaHeaderException|protocol\.(?:XAttrNotFound|NoECPolicySet|UnresolvedPath)Exception)"
        r"|org\.apache\.hadoop\.util\.(?:ZKUtil.*|InvalidChecksumSizeException)|org\.apache\.hadoop\.ipc\.RpcNoSuch\w+",
        passes=False,
        reason="a path, a bucket or a setting that is wrong is as wrong at the next try",
        hint="correct the path or the setting of the storage; running again will fail the same way",
    ),
    Rule(
        "class",
        r"org\.apache\.parquet\.(?:OutputStreamCloseException|util\.AutoCloseables.*|bytes\..*)",
        passes=None,
        reason="a file was not closed, and why stands below",
    ),
    Rule(
        "class",
        r"org\.apache\.(?:parquet|orc|avro)\..*|.*\.(?:jackson|univocity|arrow|protobuf|kryo)\..*|com\.univocity\..*"
        r"|org\.apache\.spark\.sql\.(?:avro\..*|catalyst\.util\..*)|org\.apache\.spark\.types\.variant\..*"
        r"|.*\.SchemaColumnConvertNotSupportedException",
        passes=False,
        reason="the file, or a value in it, is not what the format or the schema says",
        hint="correct the file or its source's schema; running again will fail the same way",
    ),
    Rule(
        "class",
        r"(?:org\.apache\.spark\.sql\.delta\.|io\.delta\.(?:exceptions|kernel\.exceptions)\.)(?:Delta)?(?:Concurrent\w+|MetadataChanged|ProtocolChanged"
        r"|CommitStateUnknown|MaxCommitRetryLimitReached|CheckpointAlreadyExists)(?:Exception)?|org\.apache\.spark\.sql\.delta\.CommitConflictFailure"
        r"|io\.delta\.(?:kernel|storage)\.commit\..*(?:CommitFailed|PublishFailed|CommitCompletionUnknown|CredentialFetchFailed|CommitLimitReached)Exception"
        r"|org\.apache\.spark\.sql\.delta\.CommitCoordinatorGetCommitsFailedException",
        passes=True,
        reason="somebody else wrote at the same moment; the next try begins from what is there now",
        hint="somebody else wrote to the table at the same time; find out who, then run again: nothing is half-written",
    ),
    Rule(
        "class",
        r"org\.apache\.spark\.sql\.delta\.(?:DeltaIOException|DeltaSparkException|DeltaRuntimeException|DeltaIllegalStateException|.*MaterializeSourceError)"
        r"|io\.delta\.kernel\.exceptions\.Kernel(?:Engine)?Exception|io\.delta\.(?:kernel\.internal|storage)\..*|io\.delta\.kernel\.shaded\..*IOException",
        passes=None,
        reason="Delta was disturbed in what it did; its error class or the cause below it says by what",
    ),
    Rule(
        "class",
        r"(?:org\.apache\.spark\.sql\.delta|io\.delta)\..*",
        passes=False,
        reason="Delta refuses what it was asked",
    ),
    Rule(
        "class",
        r".*\.(?:FetchFailed|MetadataFetchFailed|ChunkFetchFailure|ShuffleStatusNotFound|ExecutorDead|BlockNotFound|BlockSavedOnDecommissionedBlockManager"
        r"|RpcTimeout|RpcEndpointNotFound|RpcEnvStopped|SaslTimeout|PythonWorker|RemoteProcessConnection|SubmitRestConnection|TransformNodeRetryable"
        r"|ContinuousTaskRetry|TaskKilled|KilledByTaskReaper|CommitDenied|TaskOutputFileAlreadyExist|Preempted|RemoteClassLoader|ShuffleManagerNotInitialized"
        r"|TemporallyUnstableInput|Block)(?:Exception|Error)?|org\.apache\.spark\.ExecutorLostFailure|org\.apache\.spark\.network\..*(?:Failure|FailureException)"
        r"|org\.apache\.spark\.rpc\.netty\.RpcFailure|.*StreamingPythonRunnerInitialization(?:Communication|Timeout)Exception"
        r"|org\.apache\.spark\.sql\.connect\.client\.GrpcRetryHandler.*|org\.apache\.spark\.sql\.execution\.streaming\.state\.ConvertableToCannotLoadStoreError",
        passes=True,
        reason="an executor, a worker or a connection inside the cluster was lost",
    ),
    Rule(
        "class",
        r"org\.apache\.spark\.(?:SparkException|SparkRuntimeException|SparkIllegalStateException|SparkSQLException|SparkPythonException|SparkUserAppException"
        r"|SparkDriverExecutionException|SparkFileNotFoundException|SparkFileAlreadyExistsException|ExceptionFailure|SparkConcurrentModificationException"
        r"|util\.(?:SparkFatal|TaskCompletionListener|Utils.*)\w*|scheduler\..*|status\..*|deploy\..*|storage\..*|connect\..*"
        r"|sql\.(?:streaming\.StreamingQueryException|execution\.QueryExecutionException|execution\.adaptive\..*|pipelines\..*|connect\..*"
        r"|execution\.streaming\.sources\.Foreach(?:Batch)?UserFuncException|hive\.thriftserver\..*))"
        r"|org\.apache\.spark\.streaming\..*",
        passes=None,
        reason="Spark's own wrapper; its condition or the cause below it says what failed",
    ),
    Rule(
        "class",
        r"org\.apache\.spark\..*",
        passes=False,
        reason="Spark refuses a plan, a value or a setting, and does so again",
    ),
    Rule(
        "class",
        r"java\.lang\.(?:NullPointer|ClassCast|IllegalArgument|UnsupportedOperation|Arithmetic|NumberFormat|\w*IndexOutOfBounds|NegativeArraySize|ArrayStore"
        r"|ClassNotFound|NoSuchMethod|NoSuchField|InstantiationException|IllegalAccess|CloneNotSupported|EnumConstantNotPresent)\w*"
        r"|java\.lang\.(?:\w*LinkageError|\w*ClassDefFoundError|NoSuch\w+Error|\w*ClassChangeError|\w*ClassVersionError|ClassFormatError|VerifyError"
        r"|ExceptionInInitializerError|AbstractMethodError|AssertionError|StackOverflowError)|java\.util\.(?:NoSuchElement|InputMismatch|MissingResource"
        r"|IllegalFormat|UnknownFormat\w*|DuplicateFormat\w*|Missing\w*)Exception|java\.util\.ServiceConfigurationError|java\.time\..*|java\.text\.ParseException"
        r"|scala\.(?:MatchError|NotImplementedError|ScalaReflectionException|UninitializedFieldError|UninitializedError)|org\.codehaus\..*",
        passes=False,
        reason="a value, a plan or a class on the class path that is wrong is as wrong at the next try",
    ),
    Rule(
        "class",
        r"java\.sql\.(?:SQLTransient\w*|SQLRecoverable|SQLTimeout|BatchUpdate)Exception",
        passes=True,
        reason="the driver says itself that it may pass",
    ),
    Rule(
        "class",
        r"java\.sql\.(?:SQLSyntaxError|SQLIntegrityConstraintViolation|SQLData|SQLFeatureNotSupported|SQLNonTransient\w*|SQLInvalidAuthorizationSpec)Exception",
        passes=False,
        reason="the driver says itself that it stays",
    ),
    Rule(
        "class",
        r".*",
        saying=r"No space left on device|Disk quota exceeded|File too large|DiskOutOfSpace|QuotaExceeded",
        passes=True,
        reason="room comes back when somebody makes it, and what is half-written is cleaned up",
        hint="the storage is full; make room, then run again: nothing is half-written",
    ),
    Rule(
        "class",
        r"builtins\.\w+|java\.io\.\w+|java\.nio\.(?:channels|file)\.\w+|java\.net\.\w+|javax\.net\.ssl\.\w+|java\.rmi\..*|java\.util\.concurrent\.TimeoutException"
        r"|java\.util\.ConcurrentModificationException|.*\.(?:SdkClientException|RetryableException|ApiCallTimeoutException|ApiCallAttemptTimeoutException)"
        r"|org\.apache\.hadoop\.(?:fs|hdfs|ipc|net|io|util\.DiskChecker.*|mapreduce\.task\.reduce)\..*|org\.apache\.hadoop\.util\.DiskChecker.*"
        r"|io\.netty\..*|org\.apache\.http\..*",
        passes=True,
        reason="input and output over a disk or a network: it fails and comes back",
    ),
    Rule("class", r".*", passes=None, reason="no rule speaks of this class"),
)
"""Java's exceptions, by their full names; those of hadoop-aws and the AWS SDK among them."""

WORDS = (
    Rule(
        "text",
        r"ExecutorLostFailure|TaskResultLost|FetchFailed|Mkdirs failed|Connection (?:refused|reset)|Python worker exited unexpectedly",
        passes=True,
        reason="an executor, a worker or a file system was not there for a moment",
    ),
)
"""Faults that only words tell, where neither a condition nor a class does."""
