/** Every door, by the name of its operation. */
export const doors = (send) => ({
    /** 收一笔钱 / take a payment */
    postPayments: (body, key) => send("POST", `/v1/payments`, { body, key, money: true }),
    /** 支付列表 / list payments */
    getPayments: (query = {}) => send("GET", `/v1/payments`, { query }),
    /** 按单号尾号或金额时间查找 / find by the tail of a number, or amount and time */
    postPaymentsLookup: (body) => send("POST", `/v1/payments/lookup`, { body, safe: true }),
    /** 一笔支付 / one payment */
    getPaymentsId: (id) => send("GET", `/v1/payments/${encodeURIComponent(id)}`, {}),
    /** 证据 / its evidence */
    getPaymentsIdEvidence: (id) => send("GET", `/v1/payments/${encodeURIComponent(id)}/evidence`, {}),
    /** 时间线 / its time line */
    getPaymentsIdTrace: (id) => send("GET", `/v1/payments/${encodeURIComponent(id)}/trace`, {}),
    /** 现在再查 / ask the channel now */
    postPaymentsIdResolve: (id, body) => send("POST", `/v1/payments/${encodeURIComponent(id)}/resolve`, { body, safe: true }),
    /** 撤销 / undo */
    postPaymentsIdReverse: (id, body, key) => send("POST", `/v1/payments/${encodeURIComponent(id)}/reverse`, { body, key, money: true }),
    /** 关单 / close an unpaid one */
    postPaymentsIdClose: (id, body, key) => send("POST", `/v1/payments/${encodeURIComponent(id)}/close`, { body, key, money: true }),
    /** 店里已看到结果 / the shop has been told */
    postPaymentsIdTold: (id, body) => send("POST", `/v1/payments/${encodeURIComponent(id)}/told`, { body, safe: true }),
    /** 回答:货给了没有 / answer: were the goods handed over */
    postPaymentsIdAnswer: (id, body, key) => send("POST", `/v1/payments/${encodeURIComponent(id)}/answer`, { body, key, money: true }),
    /** 退款 / give money back */
    postRefunds: (body, key) => send("POST", `/v1/refunds`, { body, key, money: true }),
    /** 退款列表 / list refunds */
    getRefunds: (query = {}) => send("GET", `/v1/refunds`, { query }),
    /** 一笔退款 / one refund */
    getRefundsId: (id) => send("GET", `/v1/refunds/${encodeURIComponent(id)}`, {}),
    /** 新商户 / new merchant */
    postMerchants: (body) => send("POST", `/v1/merchants`, { body }),
    /** 商户列表 / list merchants */
    getMerchants: (query = {}) => send("GET", `/v1/merchants`, { query }),
    /** 一个商户 / one merchant */
    getMerchantsId: (id) => send("GET", `/v1/merchants/${encodeURIComponent(id)}`, {}),
    /** 修改商户 / change a merchant */
    patchMerchantsId: (id, body) => send("PATCH", `/v1/merchants/${encodeURIComponent(id)}`, { body }),
    /** 新门店 / new store */
    postStores: (body) => send("POST", `/v1/stores`, { body }),
    /** 门店列表 / list stores */
    getStores: (query = {}) => send("GET", `/v1/stores`, { query }),
    /** 一个门店 / one store */
    getStoresId: (id) => send("GET", `/v1/stores/${encodeURIComponent(id)}`, {}),
    /** 新收银台 / new till */
    postTills: (body) => send("POST", `/v1/tills`, { body }),
    /** 收银台列表 / list tills */
    getTills: (query = {}) => send("GET", `/v1/tills`, { query }),
    /** 一个收银台 / one till */
    getTillsId: (id) => send("GET", `/v1/tills/${encodeURIComponent(id)}`, {}),
    /** 新密钥(只显示一次) / new key (shown once) */
    postKeys: (body) => send("POST", `/v1/keys`, { body }),
    /** 密钥列表 / list keys */
    getKeys: () => send("GET", `/v1/keys`, {}),
    /** 吊销密钥 / revoke a key */
    deleteKeysId: (id) => send("DELETE", `/v1/keys/${encodeURIComponent(id)}`, {}),
    /** 新渠道账户 / new channel account */
    postChannelAccounts: (body) => send("POST", `/v1/channel_accounts`, { body }),
    /** 渠道账户列表 / list channel accounts */
    getChannelAccounts: () => send("GET", `/v1/channel_accounts`, {}),
    /** 事件(按游标) / events by cursor */
    getEvents: (query = {}) => send("GET", `/v1/events`, { query }),
    /** 某时刻的游标 / the cursor of a time */
    getEventsCursor: (query = {}) => send("GET", `/v1/events/cursor`, { query }),
    /** 一个事件 / one event */
    getEventsId: (id) => send("GET", `/v1/events/${encodeURIComponent(id)}`, {}),
    /** 新的回调地址(密钥只显示一次) / new webhook endpoint (its secret is shown once) */
    postWebhookEndpoints: (body) => send("POST", `/v1/webhook_endpoints`, { body }),
    /** 回调地址列表 / list webhook endpoints */
    getWebhookEndpoints: () => send("GET", `/v1/webhook_endpoints`, {}),
    /** 一个回调地址 / one webhook endpoint */
    getWebhookEndpointsId: (id) => send("GET", `/v1/webhook_endpoints/${encodeURIComponent(id)}`, {}),
    /** 修改或重新启用 / change it, or enable it again */
    patchWebhookEndpointsId: (id, body) => send("PATCH", `/v1/webhook_endpoints/${encodeURIComponent(id)}`, { body }),
    /** 删除回调地址 / delete a webhook endpoint */
    deleteWebhookEndpointsId: (id) => send("DELETE", `/v1/webhook_endpoints/${encodeURIComponent(id)}`, {}),
    /** 换密钥(旧的24小时内仍签名) / new secret (the old one signs too for 24 h) */
    postWebhookEndpointsIdRotateSecret: (id) => send("POST", `/v1/webhook_endpoints/${encodeURIComponent(id)}/rotate_secret`, {}),
    /** 投递记录 / its attempts to deliver */
    getWebhookEndpointsIdAttempts: (id, query = {}) => send("GET", `/v1/webhook_endpoints/${encodeURIComponent(id)}/attempts`, { query }),
    /** 按时间段重发 / send a range of events again */
    postWebhookEndpointsIdReplay: (id, body) => send("POST", `/v1/webhook_endpoints/${encodeURIComponent(id)}/replay`, { body }),
    /** 发一个 test.ping / send a test.ping */
    postWebhookEndpointsIdTest: (id) => send("POST", `/v1/webhook_endpoints/${encodeURIComponent(id)}/test`, {}),
    /** 重发一个事件(到所有要它的地址,或指定的一个) / send one event again, to all endpoints that want it or to one */
    postEventsIdResend: (id, query = {}) => send("POST", `/v1/events/${encodeURIComponent(id)}/resend`, { query }),
    /** 请求日志 / request log */
    getRequestLog: (query = {}) => send("GET", `/v1/request_log`, { query }),
    /** 登记设备(一次性入网码) / register a device (one-time code) */
    postDevices: (body) => send("POST", `/v1/devices`, { body }),
    /** 设备列表 / list devices */
    getDevices: (query = {}) => send("GET", `/v1/devices`, { query }),
    /** 设备凭入网码入网 / a device enrols with its code */
    postDevicesEnroll: (body) => send("POST", `/v1/devices/enroll`, { body }),
    /** 一台设备 / one device */
    getDevicesId: (id) => send("GET", `/v1/devices/${encodeURIComponent(id)}`, {}),
    /** 修改设备 / change a device */
    patchDevicesId: (id, body) => send("PATCH", `/v1/devices/${encodeURIComponent(id)}`, { body }),
    /** 停用设备 / revoke a device */
    deleteDevicesId: (id) => send("DELETE", `/v1/devices/${encodeURIComponent(id)}`, {}),
    /** 换新的设备密钥 / give a device a new secret */
    postDevicesIdRotate: (id) => send("POST", `/v1/devices/${encodeURIComponent(id)}/rotate`, {}),
    /** 新的入网码(解冻) / a new one-time code (unfreezes) */
    postDevicesIdCode: (id) => send("POST", `/v1/devices/${encodeURIComponent(id)}/code`, {}),
    /** 远程命令 / a remote command */
    postDevicesIdCommands: (id, body) => send("POST", `/v1/devices/${encodeURIComponent(id)}/commands`, { body }),
    /** 命令及结果 / commands and their outcome */
    getDevicesIdCommands: (id) => send("GET", `/v1/devices/${encodeURIComponent(id)}/commands`, {}),
    /** 设备经历 / what happened to it */
    getDevicesIdFacts: (id) => send("GET", `/v1/devices/${encodeURIComponent(id)}/facts`, {}),
    /** 设备类型 / device types */
    getDeviceTypes: () => send("GET", `/v1/device_types`, {}),
    /** 设备接口文档(AsyncAPI 3) / the device plane (AsyncAPI 3) */
    getAsyncapiJson: () => send("GET", `/v1/asyncapi.json`, {}),
    /** 播报记录 / what a speaker was told */
    getSpeakersIdAnnouncements: (id, query = {}) => send("GET", `/v1/speakers/${encodeURIComponent(id)}/announcements`, { query }),
    /** 今日暗号 / the word of the day */
    getStoresIdCodeWord: (id) => send("GET", `/v1/stores/${encodeURIComponent(id)}/code_word`, {}),
    /** 推送固件或配置(分批) / roll out firmware or configuration, in stages */
    postRollouts: (body) => send("POST", `/v1/rollouts`, { body }),
    /** 推送列表 / list roll-outs */
    getRollouts: () => send("GET", `/v1/rollouts`, {}),
    /** 一次推送 / one roll-out */
    getRolloutsId: (id) => send("GET", `/v1/rollouts/${encodeURIComponent(id)}`, {}),
    /** 暂停推送 / hold a roll-out */
    postRolloutsIdPause: (id) => send("POST", `/v1/rollouts/${encodeURIComponent(id)}/pause`, {}),
    /** 继续推送 / let a roll-out go on */
    postRolloutsIdResume: (id) => send("POST", `/v1/rollouts/${encodeURIComponent(id)}/resume`, {}),
    /** 中止推送并回退 / end a roll-out and go back */
    postRolloutsIdAbort: (id) => send("POST", `/v1/rollouts/${encodeURIComponent(id)}/abort`, {}),
    /** 小票:编号后加 .txt .escpos .pdf / a receipt: the id with .txt, .escpos or .pdf */
    getReceiptsId: (id, query = {}) => send("GET", `/v1/receipts/${encodeURIComponent(id)}`, { query }),
    /** 所有原因 / all causes */
    getCauses: (query = {}) => send("GET", `/v1/causes`, { query }),
    /** 一个原因(编号或名字) / one cause, by its id or number */
    getCausesId: (id) => send("GET", `/v1/causes/${encodeURIComponent(id)}`, {}),
    /** 渠道某一天的账单,与我们的支付对照 / a channel's bill of a day, beside our payments */
    getBills: (query = {}) => send("GET", `/v1/bills`, { query }),
    /** 事件 / incidents */
    getIncidents: (query = {}) => send("GET", `/v1/incidents`, { query }),
    /** 人工开事件 / open an incident by hand */
    postIncidents: (body) => send("POST", `/v1/incidents`, { body }),
    /** 一个事件及其经过 / one incident and its story */
    getIncidentsId: (id) => send("GET", `/v1/incidents/${encodeURIComponent(id)}`, {}),
    /** 事件:新进展 / tell on an incident */
    postIncidentsIdUpdates: (id, body) => send("POST", `/v1/incidents/${encodeURIComponent(id)}/updates`, { body }),
    /** 接手事件 / look after an incident */
    postIncidentsIdAcknowledge: (id, body) => send("POST", `/v1/incidents/${encodeURIComponent(id)}/acknowledge`, { body }),
    /** 发布事件 / publish an incident */
    postIncidentsIdPublish: (id) => send("POST", `/v1/incidents/${encodeURIComponent(id)}/publish`, {}),
    /** 关闭事件 / close an incident */
    postIncidentsIdResolve: (id, body) => send("POST", `/v1/incidents/${encodeURIComponent(id)}/resolve`, { body, safe: true }),
    /** 渠道现况:成功率、技术和业务拒绝率、延迟 / channels now: success, technical and business declines, latency */
    getHealthChannels: () => send("GET", `/v1/health/channels`, {}),
    /** 发卡行现况 / issuing banks now */
    getHealthBanks: () => send("GET", `/v1/health/banks`, {}),
    /** 登记别处的探测结果 / enter a probe made from elsewhere */
    postHealthProbes: (body) => send("POST", `/v1/health/probes`, { body }),
    /** 维护窗口 / announced maintenance */
    getMaintenance: (query = {}) => send("GET", `/v1/maintenance`, { query }),
    /** 登记维护窗口 / enter a maintenance window */
    postMaintenance: (body) => send("POST", `/v1/maintenance`, { body }),
    /** 取消维护窗口 / remove a maintenance window */
    deleteMaintenanceId: (id) => send("DELETE", `/v1/maintenance/${encodeURIComponent(id)}`, {}),
    /** 码牌:付给谁 / a code plate: whom it pays */
    getPlatesToken: (token) => send("GET", `/v1/plates/${encodeURIComponent(token)}`, {}),
    /** 码牌:付款人下单 / a code plate: the payer's order */
    postPlatesTokenPayments: (token, body, key) => send("POST", `/v1/plates/${encodeURIComponent(token)}/payments`, { body, key, money: true }),
    /** 码牌:这笔付得怎样 / a code plate: how the payment goes */
    getPlatesTokenPaymentsId: (token, id) => send("GET", `/v1/plates/${encodeURIComponent(token)}/payments/${encodeURIComponent(id)}`, {}),
    /** 结算账户:到哪一步,为什么没入账 / the settlement account: how far money came, and why not farther */
    getSettlementAccount: () => send("GET", `/v1/settlement_account`, {}),
    /** 登记结算账户和出款的状态 / enter what is known of the account and its payouts */
    putSettlementAccount: (body) => send("PUT", `/v1/settlement_account`, { body }),
    /** 收银台的码牌:地址、二维码、核对 / a till's code plate: address, QR, check */
    getTillsIdPlate: (id) => send("GET", `/v1/tills/${encodeURIComponent(id)}/plate`, {}),
    /** 登记码牌的内容 / enter what the till's own plate reads as */
    putTillsIdPlate: (id, body) => send("PUT", `/v1/tills/${encodeURIComponent(id)}/plate`, { body }),
    /** 核对店里的码牌 / check what the plate in the shop reads as */
    postTillsIdPlateCheck: (id, body) => send("POST", `/v1/tills/${encodeURIComponent(id)}/plate/check`, { body }),
    /** 系统的版本更新 / releases of our own software */
    getReleases: () => send("GET", `/v1/releases`, {}),
    /** 登记一次版本更新 / note a release */
    postReleases: (body) => send("POST", `/v1/releases`, { body }),
    /** 账户余额(含挂账) / balances, doubt included */
    getBalances: () => send("GET", `/v1/balances`, {}),
    /** 告警 / alarms */
    getAlarms: (query = {}) => send("GET", `/v1/alarms`, { query }),
    /** 渠道结果码及其结论 / channel codes and what they prove */
    getCodes: (query = {}) => send("GET", `/v1/codes`, { query }),
    /** 沙箱:付款码 / sandbox: a payment code */
    postSandboxCode: (body) => send("POST", `/v1/sandbox/code`, { body }),
    /** 沙箱:付款人扫码 / sandbox: a payer scans */
    postSandboxScan: (body) => send("POST", `/v1/sandbox/scan`, { body }),
    /** 沙箱:故障 / sandbox: a fault */
    postSandboxFaults: (body) => send("POST", `/v1/sandbox/faults`, { body }),
    /** 沙箱:恢复 / sandbox: no faults */
    deleteSandboxFaults: () => send("DELETE", `/v1/sandbox/faults`, {}),
    /** 沙箱:渠道账本 / sandbox: the channel's books */
    getSandboxBooks: (query = {}) => send("GET", `/v1/sandbox/books`, { query }),
    /** 沙箱:拨快时钟 / sandbox: move the clock */
    postSandboxClockAdvance: (body) => send("POST", `/v1/sandbox/clock/advance`, { body }),
    /** 版本 / version */
    getVersion: () => send("GET", `/v1/version`, {}),
    /** 状态 / status */
    getStatus: () => send("GET", `/v1/status`, {}),
});
