// What the page says, in both languages. Words of payers and faults come from the channels' twins.
export const WORDS = {
  zh: {
    sandbox: "沙箱", now: "沙箱时间", languages: "语言", token: "沙箱口令", enter: "进入", tokenHow: "运行 daozhang sandbox page 会带着口令打开本页;口令也在 DATA/sandbox/control.token 里。",
    badToken: "口令不对:请重新运行 daozhang sandbox page", away: "沙箱没有应答:它停了吗?", phone: "付款人的手机", wallet: "钱包", behaviour: "付款人会怎么做", byHand: "由我在这里输密码或取消",
    pin: "支付密码(任意六位数字)", pad: "密码键盘", pay: "确认付款", giveUp: "取消付款", needPin: "请输入六位数字", asks: "请输入支付密码", showCode: "付款码(给收银台扫)", fresh: "换一个码",
    copy: "复制", copied: "已复制付款码", left: (s) => `${s} 秒后自动更新`, scan: "扫一扫", qr: "二维码内容", scanIt: "扫这个码", camera: "用摄像头扫", openPlate: "打开码牌的付款页(新标签页),下单后把页上那串内容贴到这里再扫", stop: "关闭摄像头",
    noCamera: "这个浏览器不能识别摄像头里的二维码:请粘贴二维码内容。", cameraRefused: "没有打开摄像头:请允许本页使用,或粘贴二维码内容", bills: "账单", noBills: "还没有付款", orderNo: "商户单号", tradeNo: "交易单号",
    scanned: (no) => `已扫码,商户单号 ${no}`, paidIt: (no) => `已付款,商户单号 ${no}`, gaveUp: (no) => `已取消,商户单号 ${no}`, books: "渠道自己的账本", channel: "渠道", orders: "订单", requests: "收到的请求",
    amount: "金额", captured: "已扣", returned: "已退", state: "状态", refunds: "退款", created: "创建时间", at: "时间", method: "接口", fault: "故障", none: "无",
    nothing: "还没有记录", weather: "故障与时钟", mode: "故障", share: "占请求的百分比", turnOn: "打开故障", turnOff: "全部恢复", calm: "没有打开的故障", clock: "拨快时钟",
    clockHow: "只能往前;账单按天,拨快一天就能下载昨天的账单。", minute: "1 分钟", hour: "1 小时", day: "1 天", moved: "时钟已拨快", total: { orders: "订单数", captured_fen: "已扣合计", returned_fen: "已退合计", requests: "请求数" },
    picture: (code) => `付款码二维码:${code}`, erase: "删除", turnedOn: "故障已打开", turnedOff: "已恢复", failed: "付款失败",
    states: { SHOWN: "已出码", WAIT_BUYER_PAY: "等付款人", TRADE_SUCCESS: "已付", TRADE_CLOSED: "已关闭", TRADE_FINISHED: "已完结", NOTPAY: "未支付", USERPAYING: "输密码中", SUCCESS: "已付", REFUND: "有退款", CLOSED: "已关闭",
      REVOKED: "已撤销", PAYERROR: "支付失败", PAYING: "付款中", PAID: "已付", FAILED: "失败", REVERSED: "已冲正" },
    channels: { alipay: "支付宝", wechatpay: "微信支付", unionpay: "云闪付" },
  },
  en: {
    sandbox: "sandbox", now: "Sandbox time", languages: "Language", token: "Control token", enter: "Enter", tokenHow: "daozhang sandbox page opens this page with its token; the token also lies in DATA/sandbox/control.token.",
    badToken: "The token is wrong: run daozhang sandbox page again", away: "The sandbox does not answer: was it stopped?", phone: "The payer's phone", wallet: "Wallet", behaviour: "What the payer does", byHand: "I type the password or cancel here",
    pin: "Payment password (any six digits)", pad: "Password pad", pay: "Pay", giveUp: "Cancel the payment", needPin: "Type six digits", asks: "Type the payment password", showCode: "Payment code (for the till to scan)", fresh: "New code",
    copy: "Copy", copied: "Payment code copied", left: (s) => `Renewed in ${s} s`, scan: "Scan", qr: "Text of the QR", scanIt: "Scan it", camera: "Use the camera", openPlate: "Open the code plate's page (a new tab); after the order, paste the text from that page here and scan it", stop: "Stop the camera",
    noCamera: "This browser cannot read a QR from the camera: paste the text of the QR.", cameraRefused: "The camera did not open: allow this page to use it, or paste the text of the QR", bills: "Bills", noBills: "No payments yet",
    orderNo: "Merchant's order number", tradeNo: "Channel's number", scanned: (no) => `Scanned, merchant's order number ${no}`, paidIt: (no) => `Paid, merchant's order number ${no}`, gaveUp: (no) => `Cancelled, merchant's order number ${no}`,
    books: "The channel's own books", channel: "Channel", orders: "Orders", requests: "Requests received", amount: "Amount", captured: "Captured", returned: "Given back", state: "State", refunds: "Refunds", created: "Created", at: "Time",
    method: "Interface", fault: "Fault", none: "none", nothing: "Nothing yet", weather: "Faults and clock", mode: "Fault", share: "Percent of requests", turnOn: "Turn the fault on", turnOff: "All well again", calm: "No fault is on",
    clock: "Move the clock", clockHow: "Forward only. Bills are by day: one day further, yesterday's bill can be fetched.", minute: "1 minute", hour: "1 hour", day: "1 day", moved: "The clock was moved",
    total: { orders: "Orders", captured_fen: "Captured in all", returned_fen: "Given back in all", requests: "Requests" }, picture: (code) => `QR of the payment code ${code}`, erase: "Erase", turnedOn: "The fault is on", turnedOff: "All well again", failed: "not paid",
    states: { SHOWN: "shown", WAIT_BUYER_PAY: "waits for the payer", TRADE_SUCCESS: "paid", TRADE_CLOSED: "closed", TRADE_FINISHED: "finished", NOTPAY: "not paid", USERPAYING: "payer is typing", SUCCESS: "paid", REFUND: "refunded", CLOSED: "closed",
      REVOKED: "reversed", PAYERROR: "failed", PAYING: "being paid", PAID: "paid", FAILED: "failed", REVERSED: "reversed" },
    channels: { alipay: "Alipay", wechatpay: "WeChat Pay", unionpay: "UnionPay" },
  },
};

export const yuan = (fen) => `¥${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, "0")}`;

export const time = (ms) => (ms ? new Date(ms).toLocaleString(document.documentElement.lang, { hour12: false }) : "");

export function made(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Radio buttons in a fieldset, which keep their legend. */
export function choices(fieldset, name, values, chosen, words, changed) {
  for (const old of fieldset.querySelectorAll("label")) old.remove();
  for (const value of values) {
    const label = made("label");
    const button = made("input", undefined, { type: "radio", name, value });
    button.checked = value === chosen;
    button.addEventListener("change", () => changed(value));
    label.append(button, words[value] ?? value);
    fieldset.append(label);
  }
}
