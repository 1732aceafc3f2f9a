"""Directives of httpd and mod_wsgi that are known, and are not obeyed: each with its reason. Sans-I/O.

Noted ones change nothing that a site would miss, so they cost one line of the log. Refused ones would be missed:
a site that protects something with them must not be served without it. A name that ends in `*` stands for all that
begin so and have no row of their own: modules of others have more directives than anybody can list.
"""

from pydaemonwsgi.config.directives.row import noted, refused

__all__ = ["ROWS"]

ROWS = (
    # --- httpd: how it is put together
    *noted("LoadModule LoadFile ClearModuleList AddModule", "everything is built in; there are no modules to load"),
    *noted(
        "StartServers MinSpareServers MaxSpareServers MinSpareThreads MaxSpareThreads ThreadsPerChild ThreadLimit "
        "ServerLimit MaxRequestWorkers MaxClients MaxConnectionsPerChild "
        "MaxRequestsPerChild AsyncRequestWorkerFactor "
        "MaxMemFree ThreadStackSize GracefulShutdownTimeout ReceiveBufferSize SendBufferSize ListenCoresBucketsRatio "
        "MaxSpareThreadsPerChild StartThreads MaxThreads",
        "it tunes httpd's own processes; here one front serves all connections (ServeOption maximum-connections)",
    ),
    *noted(
        "AcceptMutex Mutex AcceptFilter EnableExceptionHook CoreDumpDirectory ScoreBoardFile LockFile "
        "DefaultRuntimeDir Protocol RewriteLock WatchdogInterval HeartbeatAddress HeartbeatListen HeartbeatMaxServers "
        "HeartbeatStorage",
        "it concerns the inside of httpd's processes",
    ),
    *noted("MMapFile CacheFile", "the kernel keeps files that are asked for often"),
    *noted(
        "CacheEnable CacheDisable CacheRoot CacheDirLevels CacheDirLength CacheDefaultExpire CacheMaxExpire "
        "CacheMinExpire CacheHeader CacheDetailHeader CacheIgnoreHeaders CacheIgnoreCacheControl CacheIgnoreNoLastMod "
        "CacheIgnoreQueryString CacheIgnoreURLSessionIdentifiers CacheKeyBaseURL CacheLastModifiedFactor CacheLock "
        "CacheLockMaxAge CacheLockPath CacheMaxFileSize CacheMinFileSize CacheQuickHandler CacheReadSize CacheReadTime "
        "CacheSocache CacheSocacheMaxSize CacheSocacheMaxTime CacheStaleOnError CacheStoreExpired CacheStoreNoStore "
        "CacheStorePrivate",
        "answers are not cached; let the proxy in front do it",
    ),
    *noted(
        "CookieTracking CookieDomain CookieExpires CookieName CookieStyle CookieHTTPOnly CookieSameSite CookieSecure "
        "CookieLog",
        "visitors are not tracked",
    ),
    *noted(
        "XBitHack SSIEndTag SSIErrorMsg SSIETag SSILastModified SSILegacyExprParser SSIStartTag SSITimeFormat "
        "SSIUndefinedEcho",
        "there are no server-side includes",
    ),
    *noted("EnableSendfile EnableMMAP", "files are always sent by sendfile"),
    *noted("NameVirtualHost", "name-based virtual hosts need no declaration (nor do they in httpd 2.4)"),
    *noted("IdentityCheck IdentityCheckTimeout", "nobody's machine is asked who the client's user is"),
    *noted(
        "ErrorLogFormat LogIOTrackTTFB BufferedLogs ForensicLog ScriptLog ScriptLogBuffer ScriptLogLength "
        "LogMessage DumpIOInput DumpIOOutput",
        "the error log has one format, and access logs are CustomLog's",
    ),
    *noted(
        "ContentDigest TraceEnable Protocols ProtocolsHonorOrder H2Direct HttpProtocolOptions RegisterHttpMethod "
        "UseCanonicalPhysicalPort QualifyRedirectURL LimitInternalRecursion LimitXMLRequestBody MaxRanges "
        "MaxRangeOverlaps MaxRangeReversals FlushMaxPipelined FlushMaxThreshold StrictHostCheck RegexDefaultOptions "
        "ReadBufferSize MergeTrailers KeptBodySize H2Upgrade H2MaxSessionStreams H2ModernTLSOnly H2MaxWorkers "
        "H2MinWorkers H2MaxWorkerIdleSeconds H2WindowSize H2StreamMaxMemSize H2OutputBuffering H2Padding "
        "H2SerializeHeaders H2SessionExtraFiles H2CopyFiles H2Push H2PushDiarySize H2PushPriority H2PushResource "
        "H2EarlyHints H2EarlyHint H2TLSCoolDownSecs H2TLSWarmUpSize H2WebSockets H2MaxDataFrameLen H2MaxHeaderBlockLen "
        "H2MaxStreamErrors H2StreamTimeout",
        "HTTP is what the front makes of it: strict, 1.1, without TRACE",
    ),
    *noted("AllowOverrideList AccessFileName", ".htaccess files are not read"),
    *noted("SuexecUserGroup", "it is for CGI scripts, under httpd too; the process group has user= and group="),
    *noted(
        "RLimitCPU RLimitMEM RLimitNPROC Suexec",
        "it is for CGI scripts, under httpd too; the process group has cpu-time-limit=, memory-limit= and others",
    ),
    *noted(
        "CGIPassAuth CGIVar CGIDScriptTimeout ScriptSock CGIMapExtension ScriptInterpreterSource",
        "there are no CGI scripts; see WSGIPassAuthorization",
    ),
    *noted("Satisfy AuthzSendForbiddenOnFailure", "access is decided by address alone; nothing is authenticated"),
    *noted(
        "IndexOptions IndexIgnore IndexIgnoreReset IndexOrderDefault IndexStyleSheet "
        "IndexHeadInsert AddIcon AddIconByType "
        "AddIconByEncoding AddAlt AddAltByType AddAltByEncoding AddDescription DefaultIcon HeaderName ReadmeName",
        "listings of directories have one plain form",
    ),
    *noted("DirectoryCheckHandler", "a directory's slash and index are looked for whatever its handler is"),
    *noted(
        "TypesConfig MIMEMagicFile DefaultType DefaultLanguage CacheNegotiatedDocs ModMimeUsePathInfo",
        "media types are Python's own and those of AddType",
    ),
    *noted(
        "SetOutputFilter SetInputFilter AddOutputFilter AddInputFilter AddOutputFilterByType RemoveOutputFilter "
        "RemoveInputFilter FilterDeclare FilterProvider FilterChain FilterProtocol "
        "FilterTrace DeflateCompressionLevel "
        "DeflateMemLevel DeflateWindowSize DeflateBufferSize DeflateFilterNote "
        "BrotliCompressionQuality BrotliFilterNote "
        "SubstituteMaxLineLength DeflateInflateLimitRequestBody DeflateAlterETag BrotliAlterETag "
        "BrotliCompressionMaxInputBlock BrotliCompressionWindow BufferSize ReflectorHeader",
        "answers are not filtered or compressed; let the proxy in front do it",
    ),
    *noted("ExtendedStatus SeeRequestTail ProxyStatus AddModuleInfo", "`pydaemonwsgi status` shows what goes on"),
    *noted("RewriteLog RewriteLogLevel", "`pydaemonwsgi explain` shows what each rule does with a URL"),
    *noted("CheckSpelling CheckCaseOnly CheckBasenameMatch UserDir", "URLs mean what they say"),
    # --- mod_wsgi
    *noted(
        "WSGISocketPrefix WSGISocketRotation WSGIAcceptMutex",
        "there is no socket file between the front and daemon processes",
    ),
    *noted("WSGIRestrictEmbedded", "no script ever runs in the front; embedded mode is a process group of its own"),
    *noted("WSGIEnableSendfile", "wsgi.file_wrapper always uses sendfile"),
    *noted("WSGIPythonEggs", "eggs are history; PYTHON_EGG_CACHE can be set in the script"),
    *noted("WSGIVerboseDebugging", "LogLevel debug says more"),
    *noted("WSGIPassApacheRequest", "there is no Apache request that could be passed"),
    *noted("WSGIGroupAuthoritative", "it has no effect in mod_wsgi either"),
    *noted("WSGILazyInitialization", "Python is started in the daemon processes only, never in the front or before"),
    # --- Refused
    *refused(
        "SSLEngine SSLCertificateFile SSLCertificateKeyFile SSLCertificateChainFile "
        "SSLCACertificateFile SSLCACertificatePath "
        "SSLVerifyClient SSLVerifyDepth SSLRequire SSLRequireSSL SSLProtocol "
        "SSLCipherSuite SSLOptions SSLProxyEngine "
        "SSLHonorCipherOrder SSLUseStapling SSLStaplingCache SSLSessionCache "
        "SSLSessionTickets SSLSessionCacheTimeout "
        "SSLPassPhraseDialog SSLRandomSeed SSLStrictSNIVHostCheck SSLCompression SSLOpenSSLConfCmd "
        "SSLCARevocationCheck SSLCARevocationFile SSLCARevocationPath SSLCADNRequestFile SSLCADNRequestPath "
        "SSLCryptoDevice SSLFIPS SSLInsecureRenegotiation SSLMutex SSLOCSPEnable SSLPolicy SSLRenegBufferSize "
        "SSLSessionTicketKeyFile SSLSRPVerifierFile SSLStaplingResponderTimeout SSLStaplingReturnResponderErrors "
        "SSLUserName SSLProxyVerify SSLProxyProtocol SSLProxyCACertificateFile SSLProxyCheckPeerCN "
        "SSLProxyCheckPeerName MDomain <MDomainSet> MDCertificateAgreement MDContactEmail MDPrivateKeys MDStoreDir "
        "MDRequireHttps MDRenewMode MDMembers MDCertificateAuthority SSL* NSS* GnuTLS*",
        "there is no TLS here; let nginx or HAProxy terminate it (see conf/), and keep the rest of the host",
    ),
    *refused(
        "AuthType AuthName AuthUserFile AuthGroupFile AuthBasicProvider AuthBasicAuthoritative AuthBasicFake "
        "AuthDigestProvider AuthDigestDomain AuthDigestAlgorithm AuthDigestQop AuthFormProvider AuthzProviderAlias "
        "AuthLDAPURL AuthLDAPBindDN AuthLDAPBindPassword Anonymous AuthDBMUserFile AuthDBDUserPWQuery Session "
        "<AuthnProviderAlias> <AuthzProviderAlias> WSGIAuthUserScript WSGIAuthGroupScript "
        "Auth* Anonymous_* Session* Gssapi* Krb* NTLM* SSPI* Shib* Mellon* OIDC* OAuth2* CAS* Cosign* TKTAuth* "
        "WebAuth* LookupUser* LookupOutput* LookupDbus* AddExternalAuth AddExternalGroup DefineExternalAuth "
        "DefineExternalGroup GroupExternal",
        "the server authenticates nobody; let the application or the proxy in front do it",
    ),
    *refused(
        "ProxyPass ProxyPassMatch ProxyPassReverse ProxyPassReverseCookieDomain "
        "ProxyPassReverseCookiePath ProxyRequests "
        "ProxyPreserveHost ProxyTimeout ProxyVia ProxyAddHeaders ProxySet BalancerMember <Proxy> <ProxyMatch> "
        "AllowCONNECT NoProxy ProxyBadHeader ProxyBlock ProxyDomain ProxyErrorOverride ProxyFCGIBackendType "
        "ProxyFCGISetEnvIf ProxyIOBufferSize ProxyMaxForwards ProxyPassInherit ProxyPassInterpolateEnv "
        "ProxyReceiveBufferSize ProxyRemote ProxyRemoteMatch BalancerGrowth BalancerInherit BalancerPersist "
        "H2ProxyRequests",
        "there is no proxy here; let nginx or HAProxy in front of the server route these URLs",
    ),
    *refused(
        "RemoteIPHeader RemoteIPInternalProxy RemoteIPTrustedProxy RemoteIPInternalProxyList RemoteIPTrustedProxyList",
        "write WSGITrustedProxyHeaders X-Forwarded-For and WSGITrustedProxies with the proxies' addresses",
    ),
    *noted("RemoteIPProxiesHeader", "the addresses of the proxies are not passed on"),
    *refused(
        "RemoteIPProxyProtocol RemoteIPProxyProtocolExceptions",
        "the PROXY protocol is not spoken; let the proxy send X-Forwarded-For",
    ),
    *refused("ScriptAliasMatch Action Script", "there are no CGI scripts; run them elsewhere"),
    *refused(
        "php_value php_flag php_admin_value php_admin_flag",
        "there is no PHP here; take it out, or put it into <IfModule mod_php.c>",
    ),
    *refused(
        "PythonHandler PythonPath PythonDebug PythonInterpreter PythonOption PythonAutoReload",
        "it is mod_python's; write a WSGI script, and a WSGIScriptAlias for it",
    ),
    *refused("AllowMethods AllowHandlers", "write <LimitExcept GET POST> with Require all denied in it"),
    *refused("Dav DavLockDB DavDepthInfinity DavMinTimeout Dav*", "there is no WebDAV here; run it elsewhere"),
    *refused("MapCacheAlias MapCache*", "there is no MapCache here; run it elsewhere"),
    *refused(
        "XSendFile XSendFilePath XSendFile*",
        "X-Sendfile headers are not obeyed, so the client would get an empty file; have the application answer with "
        "wsgi.file_wrapper (Django's FileResponse, Flask's send_file), which is sent by sendfile, and take this out",
    ),
    *refused(
        "Substitute SubstituteInheritBefore InputSed OutputSed ExtFilterDefine ExtFilterOptions CharsetSourceEnc "
        "CharsetDefault CharsetOptions",
        "answers are not changed on their way; let the application or the proxy do it",
    ),
    *refused("RedirectRelative", "redirects name the host; leave it out"),
    *noted("AliasPreservePath", "what follows an Alias's path is always looked for below its file"),
    *refused("LuaHookAccessChecker LuaMapHandler LuaHookMapToStorage LuaAuthzProvider", "there is no Lua here"),
    *refused(
        "<If> <ElseIf> <Else> SetEnvIfExpr",
        "expressions are not supported; write SetEnvIf with Require env or Header … env=, RewriteCond, or <Location>",
    ),
    *refused(
        "VirtualDocumentRoot VirtualScriptAlias VirtualDocumentRootIP VirtualScriptAliasIP",
        "write the hosts out, or use RewriteRule",
    ),
    *refused("ServerPath", "it was for clients of the last century that send no Host"),
    *refused("ChrootDir", "it is not supported; let systemd confine the server (RootDirectory=)"),
    *refused(
        "WSGINewRelicConfigFile WSGINewRelicEnvironment",
        "mod_wsgi 6 has removed it; start the agent in the script (newrelic.agent.initialize), and take this out",
    ),
)
