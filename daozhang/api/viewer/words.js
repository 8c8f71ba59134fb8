// What the page itself says, in both languages. The doors' own words come from the document, as "中文 / English".
export const WORDS = {
  zh: {
    api: "接口", search: "查找", key: "API 密钥", keyKept: "密钥只留在本页的内存里;本页不访问任何其他主机。", about: "说明", scope: "所需权限", none: "不需要密钥",
    idempotent: "会动钱:必须带 Idempotency-Key", parameters: "参数", body: "请求体", answers: "应答", refusals: "可能的拒绝", problems: "错误一览", needed: "必填",
    mend: "怎么办", again: "可重试", yes: "是", no: "否", tryIt: "发送这个请求", sent: "应答", example: "例子", name: "名称", kind: "类型", says: "说明", code: "代码", status: "状态",
    open: "可能增加", live: "这是正式密钥:请求会真的动钱。", failed: "没有连上", closing: "将关闭,不建议使用", nothing: "没有找到", where: "位置",
  },
  en: {
    api: "API", search: "Search", key: "API key", keyKept: "The key stays in this page's memory; this page asks no other host for anything.", about: "About", scope: "Scope", none: "no key needed",
    idempotent: "Moves money: an Idempotency-Key is required", parameters: "Parameters", body: "Body", answers: "Answers", refusals: "May refuse with", problems: "All problems", needed: "required",
    mend: "How to mend it", again: "Try again", yes: "yes", no: "no", tryIt: "Send this request", sent: "Answer", example: "Example", name: "Name", kind: "Type", says: "Meaning", code: "Code", status: "Status",
    open: "may grow", live: "This is a live key: the request really moves money.", failed: "not reached", closing: "will be closed, not advised", nothing: "nothing found", where: "In",
  },
};

export const TAGS = {
  payments: "支付", refunds: "退款", merchants: "商户", stores: "门店", tills: "收银台", keys: "密钥", channel_accounts: "渠道账户", events: "事件",
  webhook_endpoints: "回调", request_log: "请求日志", devices: "设备", device_types: "设备类型", speakers: "音箱", receipts: "小票", balances: "余额", alarms: "告警", incidents: "事件", health: "渠道和银行现况", maintenance: "维护窗口",
  codes: "渠道结果码", sandbox: "沙箱", version: "版本", status: "状态", "asyncapi.json": "设备接口", operations: "运维",
};

/** One half of "中文 / English". */
export function half(text, language) {
  const at = (text ?? "").indexOf(" / ");
  if (at < 0) return text ?? "";
  return language === "zh" ? text.slice(0, at) : text.slice(at + 3);
}
